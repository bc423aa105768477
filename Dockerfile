# syntax=docker/dockerfile:1
# One image for every process of the venue; docker-compose.yml says which command each one runs.

FROM python:3.12-slim-bookworm AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN python -m venv --without-pip /opt/venv
WORKDIR /srv/rialto
COPY requirements.txt ./
# Locked, with hashes, and wheels only: nothing is compiled here and nothing unknown gets in.
RUN pip --python /opt/venv/bin/python install --require-hashes --no-deps --only-binary :all: -r requirements.txt
COPY manage.py LICENSE ./
COPY config config
COPY orderbook orderbook
COPY accounts accounts
COPY market market
COPY trading trading
COPY templates templates
COPY static static
COPY deploy/healthcheck.py deploy/healthcheck.py
# Addresses and the key are needed to load the settings; nothing connects, and no layer keeps the key.
RUN SECRET_KEY="$(python -c 'import secrets; print(secrets.token_urlsafe(64))')" \
    DATABASE_URL=postgres://nobody@localhost/none REDIS_URL=redis://localhost \
    DJANGO_SETTINGS_MODULE=config.settings.production STATIC_ROOT=/srv/rialto/staticfiles \
    /opt/venv/bin/python manage.py collectstatic --noinput -v0 \
    && /opt/venv/bin/python -m compileall -q /opt/venv/lib /srv/rialto

FROM python:3.12-slim-bookworm
RUN groupadd --system --gid 10001 rialto \
    && useradd --system --uid 10001 --gid rialto --no-create-home --shell /usr/sbin/nologin rialto
COPY --from=build /opt/venv /opt/venv
COPY --from=build /srv/rialto /srv/rialto
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    DJANGO_SETTINGS_MODULE=config.settings.production \
    STATIC_ROOT=/srv/rialto/staticfiles \
    DATA_DIR=/tmp/rialto \
    HOST=0.0.0.0 \
    PORT=8000
WORKDIR /srv/rialto
USER rialto
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "deploy/healthcheck.py", "http://127.0.0.1:8000/healthz"]
CMD ["python", "manage.py", "run_web"]
