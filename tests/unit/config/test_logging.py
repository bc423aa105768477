import json
import logging
import logging.config
from collections.abc import Callable, Iterator
from io import StringIO
from typing import Any

import pytest
from django.conf import settings

from config.logging import REDACTED, logging_config
from orderbook.gateway.command_trace import note_command, start_trace

Emit = Callable[[Callable[[logging.Logger], object]], str]


@pytest.fixture
def lines_of() -> Iterator[Callable[[str], Emit]]:
    """Configures the logs as a process of that format does; gives what a call writes."""

    def configure(fmt: str) -> Emit:
        configuration = logging_config(level="INFO", fmt=fmt)
        stream = StringIO()
        configuration["handlers"]["stderr"]["stream"] = stream
        logging.config.dictConfig(configuration)

        def emit(call: Callable[[logging.Logger], object]) -> str:
            call(logging.getLogger("venue.test"))
            return stream.getvalue()

        return emit

    yield configure
    logging.config.dictConfig(settings.LOGGING)


def record_of(text: str) -> dict[str, Any]:
    (line,) = text.splitlines()
    record: dict[str, Any] = json.loads(line)
    return record


def fail(logger: logging.Logger) -> None:
    password_in_a_local_variable = "hunter2"
    try:
        raise ValueError(f"bad {len(password_in_a_local_variable)}")
    except ValueError:
        logger.exception("it broke")


def test_a_json_record_is_one_line_with_level_time_logger_and_extras(lines_of: Any) -> None:
    record = record_of(lines_of("json")(lambda log: log.info("order", extra={"sequence": 7})))
    assert record["event"] == "order"
    assert record["level"] == "info"
    assert record["logger"] == "venue.test"
    assert record["sequence"] == 7
    assert record["timestamp"].endswith("Z")


def test_an_exception_is_inside_its_json_record(lines_of: Any) -> None:
    record = record_of(lines_of("json")(fail))
    assert "ValueError: bad 7" in record["exception"]
    assert "Traceback" in record["exception"]


def test_a_readable_exception_shows_no_local_variables(lines_of: Any) -> None:
    text = lines_of("console")(fail)
    assert "ValueError: bad 7" in text
    assert "= 'hunter2'" not in text
    assert "─" not in text


@pytest.mark.parametrize("fmt", ["json", "console"])
def test_secrets_are_redacted_by_name_and_by_form(lines_of: Any, fmt: str) -> None:
    extra = {
        "Authorization": "Bearer s3cret-a",
        "headers": {"cookie": "sessionid=s3cret-b", "nested": [{"api_key": "s3cret-c"}]},
        "new_password": "s3cret-d",
        "refresh_token": "s3cret-e",
        "url": "postgres://rialto:s3cret-f@127.0.0.1/rialto",
        "note": "sent Bearer s3cret-g to the door",
    }
    text = lines_of(fmt)(lambda log: log.info("redis://:s3cret-h@cache/0", extra=extra))
    assert "s3cret" not in text
    assert text.count(REDACTED) == 8
    assert "@127.0.0.1/rialto" in text


def test_an_unknown_format_is_refused() -> None:
    with pytest.raises(ValueError, match="LOG_FORMAT is json or console"):
        logging_config(level="INFO", fmt="xml")


def test_an_error_answer_without_a_crash_is_left_to_the_access_log(lines_of: Any) -> None:
    emit = lines_of("json")
    requests = logging.getLogger("django.request")
    assert emit(lambda _: requests.error("Service Unavailable: /readyz")) == ""
    assert "it broke" in emit(lambda _: fail(requests))


async def test_a_record_names_the_commands_that_its_request_has_sent(lines_of: Any) -> None:
    start_trace()
    note_command(b"\xab" * 16)
    record = record_of(lines_of("json")(lambda log: log.warning("slow")))
    assert record["command_id"] == "ab" * 16


async def test_a_record_keeps_a_command_id_of_its_own(lines_of: Any) -> None:
    start_trace()
    note_command(b"\xab" * 16)
    emit = lines_of("json")
    record = record_of(emit(lambda log: log.warning("late", extra={"command_id": "cd"})))
    assert record["command_id"] == "cd"
