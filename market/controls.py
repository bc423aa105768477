"""What operators do to a running market: phase, reference price, schedule, fee tiers, mass cancel.

As in ``market.services``: each is a command to the engine and an audit entry, whatever comes of it.
Texts are read (``read_*``) before anything is sent, so that a page can say what it would do.
"""

import re

from market import instruments
from market.services import carry_out
from orderbook import audit
from orderbook.core.commands import (
    CancelAllOrders,
    SetFeeSchedule,
    SetReferencePrice,
    SetSchedule,
)
from orderbook.core.events import (
    Event,
    FeeScheduleSet,
    InstrumentDefined,
    OrderCanceled,
    ReferencePriceSet,
    ScheduleSet,
)
from orderbook.core.terms import FeeTier
from orderbook.core.units import (
    MAX_FEE_PPM,
    MAX_FEE_TIERS,
    MAX_SCHEDULE_ENTRIES,
    SECOND_NS,
    InstrumentStatus,
    Side,
)
from orderbook.errors import EngineUnavailable, InvalidInput, OutcomeUnknown
from orderbook.gateway.decimals import minor_to_text, price_to_ticks, text_to_minor, ticks_to_text
from orderbook.gateway.gateway import get_gateway
from orderbook.gateway.protocol import Controls, GetControls

Schedule = tuple[tuple[int, InstrumentStatus], ...]
_TIME = re.compile(r"([01]\d|2[0-3]):([0-5]\d)(?::([0-5]\d))?", re.ASCII)
_PPM = re.compile(r"-?\d{1,6}", re.ASCII)
_PHASES = {status.value: status for status in InstrumentStatus}


def set_reference_price(symbol: str, price: str, actor: audit.Actor) -> None:
    """``price``: a decimal string in the quote asset."""
    price_ticks = price_to_ticks(instruments.lookup(symbol), price)
    command = SetReferencePrice(symbol, price_ticks)
    carry_out([command], actor, "instrument.reference_price", symbol, {"price": price})


def set_schedule(symbol: str, text: str, actor: audit.Actor) -> None:
    """``text``: as ``read_schedule`` reads it."""
    instruments.lookup(symbol)
    entries = read_schedule(text)
    details = {"schedule": schedule_text(entries).splitlines()}
    carry_out([SetSchedule(symbol, entries)], actor, "instrument.schedule", symbol, details)


def set_fee_tiers(symbol: str, text: str, actor: audit.Actor) -> None:
    """``text``: as ``read_tiers`` reads it."""
    instrument = instruments.lookup(symbol)
    tiers = read_tiers(text, instrument)
    details = {"tiers": tiers_text(tiers, instrument).splitlines()}
    carry_out([SetFeeSchedule(symbol, tiers)], actor, "instrument.fee_tiers", symbol, details)


def cancel_symbol(symbol: str, side: Side | None, actor: audit.Actor) -> int:
    """Cancels everybody's open orders in an instrument, of one side or both; gives how many."""
    instruments.lookup(symbol)
    command = CancelAllOrders(0, symbol, by_operator=True, side=side)
    details = {"side": side.value if side is not None else "both"}
    answer = carry_out([command], actor, "instrument.cancel_all", symbol, details)
    return sum(isinstance(event, OrderCanceled) for event in answer.events)


def read_schedule(text: str) -> Schedule:
    """Lines such as "08:00 pre_open", ascending; none for no schedule. Raises InvalidInput."""
    entries: list[tuple[int, InstrumentStatus]] = []
    for line in _lines(text):
        words = line.split()
        time = _TIME.fullmatch(words[0])
        if len(words) != 2 or time is None or words[1] not in _PHASES:
            raise InvalidInput(
                f'"{line}" is no time (UTC) and phase such as "08:00 opening_auction".',
                field="schedule",
            )
        hours, minutes, seconds = (int(part or 0) for part in time.groups())
        time_ns = (hours * 3_600 + minutes * 60 + seconds) * SECOND_NS
        if entries and time_ns <= entries[-1][0]:
            raise InvalidInput("The times must ascend.", field="schedule")
        entries.append((time_ns, _PHASES[words[1]]))
    if len(entries) > MAX_SCHEDULE_ENTRIES:
        message = f"A schedule has at most {MAX_SCHEDULE_ENTRIES} times."
        raise InvalidInput(message, field="schedule")
    return tuple(entries)


def schedule_text(entries: Schedule) -> str:
    """The inverse of ``read_schedule``."""
    lines = []
    for time_ns, status in entries:
        minutes, seconds = divmod(time_ns // SECOND_NS, 60)
        lines.append(f"{minutes // 60:02d}:{minutes % 60:02d}:{seconds:02d} {status.value}")
    return "\n".join(lines)


def read_tiers(text: str, instrument: InstrumentDefined) -> tuple[FeeTier, ...]:
    """Lines of volume (decimal, quote asset), maker ppm and taker ppm; none for the flat fees.

    Raises InvalidInput; whether the tiers fit together is the engine's to say.
    """
    tiers = []
    for line in _lines(text):
        words = line.split()
        if len(words) != 3 or not all(_PPM.fullmatch(word) for word in words[1:]):
            raise InvalidInput(
                f'"{line}" is no volume, maker and taker fee such as "1000000 500 900".',
                field="tiers",
            )
        volume_minor = text_to_minor(words[0], instrument.quote_decimals, "tiers")
        maker_ppm, taker_ppm = int(words[1]), int(words[2])
        if max(abs(maker_ppm), abs(taker_ppm)) > MAX_FEE_PPM:
            raise InvalidInput(f"A fee is at most {MAX_FEE_PPM} ppm.", field="tiers")
        tiers.append(FeeTier(volume_minor, maker_ppm, taker_ppm))
    if len(tiers) > MAX_FEE_TIERS:
        raise InvalidInput(f"There are at most {MAX_FEE_TIERS} tiers.", field="tiers")
    return tuple(tiers)


def tiers_text(tiers: tuple[FeeTier, ...], instrument: InstrumentDefined) -> str:
    """The inverse of ``read_tiers``."""
    return "\n".join(
        f"{minor_to_text(tier.min_volume_minor, instrument.quote_decimals)} "
        f"{tier.maker_fee_ppm} {tier.taker_fee_ppm}"
        for tier in tiers
    )


def present_values(instrument: InstrumentDefined) -> dict[str, str]:
    """What holds now, as the forms take it. Empty where the engine cannot be asked."""
    try:
        answer = get_gateway().query_blocking(GetControls(instrument.symbol))
    except (EngineUnavailable, OutcomeUnknown):
        return {}
    values: dict[str, str] = {}
    for event in answer.events if isinstance(answer, Controls) else ():
        values |= _value(event, instrument)
    return values


def _value(event: Event, instrument: InstrumentDefined) -> dict[str, str]:
    match event:
        case ReferencePriceSet(price_ticks=price_ticks):
            return {"price": ticks_to_text(instrument, price_ticks)}
        case ScheduleSet(entries=entries):
            return {"schedule": schedule_text(entries)}
        case FeeScheduleSet(tiers=tiers):
            return {"tiers": tiers_text(tiers, instrument)}
        case _:
            return {}


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]
