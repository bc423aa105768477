"""Moments as operators write them: "2026-11-20", "2026-11-20T14:30", "22:39:30"; always UTC."""

from datetime import UTC, date, datetime, time, timedelta

from orderbook.core.units import DAY_NS, SECOND_NS

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def day_bounds_ns(text: str) -> tuple[int, int]:
    """From a day's first nanosecond to the next day's. Raises ValueError."""
    try:
        day = date.fromisoformat(text)
    except ValueError as error:
        raise ValueError(f"{text!r} is no day such as 2026-11-20.") from error
    start_ns = _since_epoch_ns(datetime.combine(day, time(), UTC))
    return start_ns, start_ns + DAY_NS


def moment_ns(text: str, day_of_ns: int | None = None) -> int:
    """A moment. A time alone is of the day that ``day_of_ns`` lies in. Raises ValueError."""
    if day_of_ns is not None and "-" not in text:
        try:
            clock = time.fromisoformat(text)
        except ValueError as error:
            raise ValueError(f"{text!r} is no time such as 14:30 or 2026-11-20T14:30.") from error
        day_start_ns = day_of_ns // DAY_NS * DAY_NS
        return day_start_ns + _since_epoch_ns(datetime.combine(_EPOCH.date(), clock, UTC))
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise ValueError(f"{text!r} is no moment such as 2026-11-20T14:30 (UTC).") from error
    return _since_epoch_ns(moment if moment.tzinfo else moment.replace(tzinfo=UTC))


def moment_text(time_ns: int) -> str:
    moment = _EPOCH + timedelta(seconds=time_ns // SECOND_NS)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{time_ns % SECOND_NS:09}Z"


def _since_epoch_ns(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(microseconds=1) * 1_000
