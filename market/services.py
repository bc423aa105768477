"""What operators do to instruments: every change is a command to the engine, and audited.

All raise InvalidInput (with the field), CommandRefused, EngineUnavailable or OutcomeUnknown, and
write an audit entry whatever the engine answers.
"""

from decimal import Decimal, localcontext
from typing import Any, NamedTuple

from market import instruments
from orderbook import audit
from orderbook.core.commands import Command, DefineAsset, DefineInstrument, SetPhase
from orderbook.core.events import AssetDefined, InstrumentDefined
from orderbook.core.units import (
    MAX_QUANTITY_LOTS,
    MAX_SUPPLY_MINOR,
    MAX_UNIT_MINOR,
    SECOND_NS,
    InstrumentStatus,
)
from orderbook.errors import CommandRefused, EngineUnavailable, InvalidInput, OutcomeUnknown
from orderbook.gateway.decimals import (
    lot_size,
    minor_to_text,
    parse_decimal,
    quantity_to_lots,
    text_to_minor,
)
from orderbook.gateway.gateway import get_gateway
from orderbook.gateway.protocol import Answer, Definitions, GetInstruments
from orderbook.gateway.refusals import raise_if_refused

_PRECISION = 60


class Rules(NamedTuple):
    """What may change about an instrument. Amounts are decimal strings."""

    maker_fee_ppm: int
    taker_fee_ppm: int
    min_notional: str
    """In the quote asset."""
    max_quantity: str
    """In the base asset; a multiple of the lot size."""
    status: InstrumentStatus
    max_notional: str = "0"
    """In the quote asset; 0: the venue's own limit."""
    static_band_ppm: int = 0
    dynamic_band_ppm: int = 0
    pause_s: int = 0
    """Length of the auction that a trade beyond the dynamic band sets off; 0: none."""


class Units(NamedTuple):
    """What is fixed once an instrument is defined."""

    symbol: str
    """BASE-QUOTE."""
    tick_size: str
    lot_size: str
    base_decimals: int | None = None
    quote_decimals: int | None = None
    """Needed where the venue does not know the asset yet."""


def add_instrument(units: Units, rules: Rules, actor: audit.Actor) -> Answer:
    """Defines an instrument, and its assets where they are new."""
    if _is_known(units.symbol):
        raise InvalidInput("There is an instrument with this symbol already.", field="symbol")
    commands, definition = _new_definition(units)
    commands.append(_with_rules(definition, rules))
    details = {**units._asdict(), **_details(rules)}
    return carry_out(commands, actor, "instrument.add", units.symbol, details)


def change_rules(symbol: str, rules: Rules, actor: audit.Actor) -> Answer:
    definition = instruments.lookup(symbol)
    commands: list[Command] = [_with_rules(definition, rules)]
    if rules.status is not definition.status:
        commands.append(SetPhase(symbol, rules.status))
    return carry_out(commands, actor, "instrument.change", symbol, _details(rules))


def set_status(symbol: str, status: InstrumentStatus, actor: audit.Actor) -> Answer:
    """Changes an instrument's phase: halts it, or lets it trade again. Its rules stay."""
    instruments.lookup(symbol)
    details = {"status": status.value}
    return carry_out([SetPhase(symbol, status)], actor, "instrument.status", symbol, details)


def rules_of(definition: InstrumentDefined) -> Rules:
    max_quantity_minor = definition.max_quantity_lots * definition.lot_minor
    return Rules(
        definition.maker_fee_ppm,
        definition.taker_fee_ppm,
        minor_to_text(definition.min_notional_minor, definition.quote_decimals),
        minor_to_text(max_quantity_minor, definition.base_decimals),
        definition.status,
        minor_to_text(definition.max_notional_minor, definition.quote_decimals),
        definition.static_band_ppm,
        definition.dynamic_band_ppm,
        definition.pause_ns // SECOND_NS,
    )


def _is_known(symbol: str) -> bool:
    return any(known.symbol == symbol for known in instruments.all_instruments())


def _new_definition(units: Units) -> tuple[list[Command], InstrumentDefined]:
    base, _, quote = units.symbol.rpartition("-")
    if not base or not quote:
        raise InvalidInput("symbol must be BASE-QUOTE, such as BTC-USDT.", field="symbol")
    definitions = get_gateway().query_blocking(GetInstruments())
    assert isinstance(definitions, Definitions)
    known = {one.asset: one.decimals for one in definitions.events if isinstance(one, AssetDefined)}
    base_decimals = _decimals(base, units.base_decimals, known, "base_decimals")
    quote_decimals = _decimals(quote, units.quote_decimals, known, "quote_decimals")
    lot_minor = _bounded(
        text_to_minor(units.lot_size, base_decimals, "lot_size"), MAX_UNIT_MINOR, "lot_size"
    )
    if not lot_minor:
        raise InvalidInput("lot_size must be more than zero.", field="lot_size")
    definition = InstrumentDefined(
        units.symbol, base, quote, base_decimals, quote_decimals, lot_minor,
        _tick_lot_minor(units, quote_decimals), 0, 0, 0, 1, InstrumentStatus.HALTED,
    )  # fmt: skip
    new = {base: base_decimals, quote: quote_decimals}
    commands: list[Command] = [
        DefineAsset(asset, decimals) for asset, decimals in new.items() if asset not in known
    ]
    return commands, definition


def _decimals(asset: str, given: int | None, known: dict[str, int], field: str) -> int:
    decimals = known.get(asset, given)
    if decimals is None:
        raise InvalidInput(f"{asset} is a new asset: say how many decimals it has.", field=field)
    if given not in (None, decimals):
        raise InvalidInput(f"{asset} has {decimals} decimals, for good.", field=field)
    return decimals


def _tick_lot_minor(units: Units, quote_decimals: int) -> int:
    """Quote minor units that one lot costs at a price of one tick."""
    with localcontext() as context:
        context.prec = _PRECISION
        tick = parse_decimal(units.tick_size, "tick_size")
        lot = parse_decimal(units.lot_size, "lot_size")
        cost: Decimal = (tick * lot).scaleb(quote_decimals)
    if not cost or cost != int(cost):
        raise InvalidInput(
            "tick_size times lot_size must be a whole number of the quote asset's minor units, "
            f"which have {quote_decimals} decimals.",
            field="tick_size",
        )
    return _bounded(int(cost), MAX_UNIT_MINOR, "tick_size")


def _bounded(value: int, limit: int, field: str) -> int:
    """Keeps what the engine would refuse out of the queue, where every number has 64 bits."""
    if value > limit:
        raise InvalidInput(f"{field} is too large.", field=field)
    return value


def _with_rules(definition: InstrumentDefined, rules: Rules) -> DefineInstrument:
    if parse_decimal(rules.max_quantity, "max_quantity") < lot_size(definition):
        raise InvalidInput("max_quantity must be at least one lot.", field="max_quantity")
    return DefineInstrument(
        symbol=definition.symbol,
        base=definition.base,
        quote=definition.quote,
        lot_minor=definition.lot_minor,
        tick_lot_minor=definition.tick_lot_minor,
        maker_fee_ppm=rules.maker_fee_ppm,
        taker_fee_ppm=rules.taker_fee_ppm,
        min_notional_minor=_bounded(
            text_to_minor(rules.min_notional, definition.quote_decimals, "min_notional"),
            MAX_SUPPLY_MINOR,
            "min_notional",
        ),
        max_quantity_lots=_bounded(
            quantity_to_lots(definition, rules.max_quantity, "max_quantity"),
            MAX_QUANTITY_LOTS,
            "max_quantity",
        ),
        status=rules.status,
        max_notional_minor=_bounded(
            text_to_minor(rules.max_notional, definition.quote_decimals, "max_notional"),
            MAX_SUPPLY_MINOR,
            "max_notional",
        ),
        static_band_ppm=rules.static_band_ppm,
        dynamic_band_ppm=rules.dynamic_band_ppm,
        pause_ns=rules.pause_s * SECOND_NS,
    )


def _details(rules: Rules) -> dict[str, Any]:
    return {**rules._asdict(), "status": rules.status.value}


def carry_out(
    commands: list[Command], actor: audit.Actor, action: str, symbol: str, details: dict[str, Any]
) -> Answer:
    """Sends the commands, one after the other until one is refused; gives the last answer."""
    try:
        for command in commands:
            answer = raise_if_refused(get_gateway().submit_blocking(command))
            for event in answer.events:
                instruments.cache.hear(event, answer.sequence)
    except (CommandRefused, EngineUnavailable, OutcomeUnknown) as error:
        audit.record(actor, action, symbol, details=details, outcome=error.code)
        raise
    audit.record(actor, action, symbol, details=details, sequence=answer.sequence)
    return answer
