"""Structured logs: one JSON object a line, or readable lines for a person at a terminal.

No record shows a secret: values under telling names, bearer tokens and passwords in addresses are
replaced before anything is written.
"""

import logging
import os
import re
import sys
from collections.abc import Mapping
from typing import Any

import structlog
from structlog.typing import EventDict, Processor

from orderbook.gateway.command_trace import traced_command_ids

REDACTED = "[redacted]"
ACCESS_LOGGER = "rialto.access"
_SECRET_NAMES = re.compile(
    r"authorization|cookie|passw|secret|token|api[-_]?key|credential|signature", re.IGNORECASE
)
_SECRET_TEXTS = re.compile(r"(?<=://)[^/\s:@]*:[^/\s@]+(?=@)|(?<=Bearer )[\w.~+/=-]+")
_MAX_DEPTH = 6


def logging_config(*, level: str, fmt: str, access: bool | None = None) -> dict[str, Any]:
    """A dictConfig in which Django's, uvicorn's, Celery's and our own records look the same.

    ``fmt``: "json" or "console". ``access``: whether every request has a line; without it only
    requests that failed here (status 500 and up) have one. Default: in JSON yes, at a terminal no.
    """
    if fmt not in ("json", "console"):
        raise ValueError(f"LOG_FORMAT is json or console, not {fmt!r}")
    as_json = fmt == "json"
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso" if as_json else "%H:%M:%S", utc=as_json),
        structlog.stdlib.ExtraAdder(),
        _add_command_ids,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    servers_level = "INFO" if as_json else "WARNING"
    access_level = "INFO" if (as_json if access is None else access) else "WARNING"
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "structured": {
                "()": structlog.stdlib.ProcessorFormatter,
                "foreign_pre_chain": shared,
                "processors": [
                    structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                    *_rendering(as_json),
                ],
            }
        },
        "filters": {"crashes": {"()": lambda: _has_exception}},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "structured"}},
        "root": {"handlers": ["stderr"], "level": level},
        "loggers": {
            "uvicorn": {"handlers": [], "propagate": True, "level": servers_level},
            # config/access_log.py writes the one line of a request.
            "uvicorn.access": {"handlers": [], "propagate": False, "level": "WARNING"},
            "django.server": {"handlers": [], "propagate": True},
            # The request's own line tells the status; only a crash has more to tell.
            "django.request": {"filters": ["crashes"]},
            "celery": {"level": servers_level},
            ACCESS_LOGGER: {"level": access_level},
            "httpx": {"level": "WARNING"},
        },
    }


def _add_command_ids(logger: Any, method: str, event: EventDict) -> EventDict:
    """What the request that this record belongs to has sent to the engine."""
    if command_ids := traced_command_ids():
        event.setdefault("command_id", command_ids)
    return event


def _has_exception(record: logging.LogRecord) -> bool:
    return bool(record.exc_info)


def _drop_repetitions(logger: Any, method: str, event: EventDict) -> EventDict:
    """uvicorn adds its message again, in colour; Celery adds its message's parts."""
    event.pop("color_message", None)
    if event.get("logger", "").startswith("celery"):
        event.pop("data", None)
    return event


def _rendering(as_json: bool) -> list[Processor]:
    if as_json:
        return [
            structlog.processors.format_exc_info,
            _drop_repetitions,
            redact,
            structlog.processors.JSONRenderer(default=str),
        ]
    return [
        _drop_repetitions,
        redact,
        structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty() and "NO_COLOR" not in os.environ,
            pad_event_to=0,
            # Not the default, which prints local variables, secrets among them.
            exception_formatter=structlog.dev.plain_traceback,
        ),
    ]


def redact(logger: Any, method: str, event: EventDict) -> EventDict:
    """Replaces what must not be written: by the name it stands under, or by its form in a text."""
    return {
        name: value if name in _KEPT else _redacted(name, value, 0) for name, value in event.items()
    }


_KEPT = frozenset({"level", "timestamp", "logger", "exc_info", "request_id"})


def _redacted(name: str, value: Any, depth: int) -> Any:
    if _SECRET_NAMES.search(name) and value not in (None, ""):
        return REDACTED
    if isinstance(value, str):
        return _SECRET_TEXTS.sub(REDACTED, value)
    if depth >= _MAX_DEPTH:
        return value
    if isinstance(value, Mapping):
        return {key: _redacted(str(key), item, depth + 1) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_redacted("", item, depth + 1) for item in value]
    return value
