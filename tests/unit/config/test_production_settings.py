"""Production refuses to start on weak or missing secrets and addresses."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

BASE_DIR = Path(__file__).resolve().parents[3]
GOOD = {
    "SECRET_KEY": "kW3vR8qLz1XyT5nB7mC9dF2gH4jK6pQ0sU-aEiOwYxZbVcNtMrLqPo",
    "DATABASE_URL": "postgres://rialto:x@127.0.0.1:1/rialto",
    "REDIS_URL": "redis://127.0.0.1:1/0",
}


def load(tmp_path: Path, expression: str = "'loaded'", **environment: str | None) -> str:
    """The expression's value in a process with the production settings, or its last error line."""
    merged = {**GOOD, **environment}
    result = subprocess.run(
        [sys.executable, "-c", f"from django.conf import settings; print({expression})"],
        cwd=BASE_DIR,
        env={
            "PATH": os.environ["PATH"],
            "DATA_DIR": str(tmp_path),
            "DJANGO_SETTINGS_MODULE": "config.settings.production",
            **{name: value for name, value in merged.items() if value is not None},
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    return (result.stdout if result.returncode == 0 else result.stderr).strip().splitlines()[-1]


def test_it_loads_with_strong_secrets_and_is_strict_by_default(tmp_path: Path) -> None:
    names = [
        "DEBUG",
        "SECURE_SSL_REDIRECT",
        "SESSION_COOKIE_SECURE",
        "CSRF_COOKIE_SECURE",
        "LOAD_DEMO",
    ]
    values = ", ".join(f"getattr(settings, {name!r}, False)" for name in names)
    assert load(tmp_path, f"({values})") == "(False, True, True, True, False)"


@pytest.mark.parametrize(
    "key",
    [None, "", "short", "a" * 60, "ab" * 30, "django-insecure-" + GOOD["SECRET_KEY"]],
    ids=["missing", "empty", "short", "one letter", "two letters", "marked as insecure"],
)
def test_it_refuses_a_weak_key(tmp_path: Path, key: str | None) -> None:
    message = load(tmp_path, "settings.SECRET_KEY", SECRET_KEY=key)
    assert "SECRET_KEY must be set to at least 50 random characters" in message


@pytest.mark.parametrize("name", ["DATABASE_URL", "REDIS_URL"])
@pytest.mark.parametrize("address", ["", "nonsense", "sqlite:///venue.db", "http://host/"])
def test_it_refuses_an_address_of_another_kind(tmp_path: Path, name: str, address: str) -> None:
    message = load(tmp_path, "settings.DEBUG", **{name: address})
    assert f"{name} must be an address like" in message
    assert "sqlite" not in message


@pytest.mark.parametrize("name", ["DATABASE_URL", "REDIS_URL"])
def test_it_refuses_to_guess_an_address(tmp_path: Path, name: str) -> None:
    message = load(tmp_path, "settings.DEBUG", **{name: None})
    assert "ImproperlyConfigured" in message
    assert name in message
