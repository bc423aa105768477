"""What was asked for: the command of an order, found in what carried it, and in words."""

from collections.abc import Iterator

from orderbook.core.commands import Batch, Command, PlaceOrder, PlaceOrderList, ReplaceOrder
from orderbook.core.events import OrderAccepted, OrderRejected
from orderbook.core.terms import NO_OPTIONS
from orderbook.core.units import PostOnly
from orderbook.explanation.amounts import Amounts
from orderbook.explanation.reading import Executed
from orderbook.explanation.steps import Facts


def placed_in(command: Command) -> Iterator[PlaceOrder]:
    """The orders that a command places, in order."""
    match command:
        case PlaceOrder():
            yield command
        case PlaceOrderList(orders=orders):
            yield from orders
        case ReplaceOrder(order=order):
            yield order
        case Batch(commands=commands):
            yield from (one for one in commands if isinstance(one, PlaceOrder))


def command_of(executed: Executed, event: OrderAccepted | OrderRejected) -> PlaceOrder | None:
    """The command that an order was accepted or refused for.

    Orders that a command places are answered in their order, each with one such event, but for a
    list that is refused as a whole.
    """
    placed = list(placed_in(executed.command))
    answers = [one for one in executed.events if isinstance(one, OrderAccepted | OrderRejected)]
    if len(placed) == len(answers):
        return placed[next(i for i, one in enumerate(answers) if one is event)]
    named = [one for one in placed if one.client_order_id == event.client_order_id]
    return named[0] if named else next(iter(placed), None)


def asked_facts(command: PlaceOrder, text: Amounts | None) -> Facts:
    """``text`` is None where the instrument is not known: then there are units only."""
    options = command.options or NO_OPTIONS
    facts: Facts = {
        "account": command.account_id,
        "symbol": command.symbol,
        "client_order_id": command.client_order_id,
        "side": command.side.value,
        "type": command.type.value,
        "time_in_force": command.time_in_force.value,
    }
    if text is None:
        return facts | {"price_ticks": command.price_ticks, "quantity_lots": command.quantity_lots}
    facts |= text.price_facts("price", command.price_ticks)
    if command.quantity_lots or not options.quote_minor:
        facts |= text.quantity_facts("quantity", command.quantity_lots)
    facts |= text.price_facts("stop_price", options.stop_ticks)
    facts |= text.price_facts("trail", options.trail_ticks)
    if options.quote_minor:
        facts |= {"quote": text.quote(options.quote_minor), "quote_minor": options.quote_minor}
    if options.display_lots:
        facts |= text.quantity_facts("shown", options.display_lots)
    if options.post_only is not PostOnly.OFF:
        facts["post_only"] = options.post_only.value
    if options.self_trade is not None:
        facts["self_trade"] = options.self_trade.value
    if options.expire_time_ns:
        facts["expire_time_ns"] = options.expire_time_ns
    return facts


def asked_text(command: PlaceOrder, text: Amounts | None) -> str:
    kind = command.type.value.replace("_", " ")
    words = f"{command.side.value} {kind} order ({command.time_in_force.value})"
    if text is None:
        return f"Asked: {words} on {command.symbol}."
    options = command.options or NO_OPTIONS
    if command.quantity_lots:
        amount = text.quantity(command.quantity_lots)
    else:
        amount = f"as much as {text.quote(options.quote_minor)} pays for"
    limit = f" at {text.price(command.price_ticks)}" if command.price_ticks else ""
    stop = f", stop price {text.price(options.stop_ticks)}" if options.stop_ticks else ""
    return f"Asked: {words}, {amount}{limit}{stop}."
