"""Words for tests of phases, auctions, bands, fees and busts."""

from orderbook.core.commands import AdvanceTime, SetPhase
from orderbook.core.engine import Engine
from orderbook.core.events import BalanceChanged, Event, PhaseChanged, Trade
from orderbook.core.snapshot import restore, snapshot
from orderbook.core.units import InstrumentStatus, PhaseReason
from tests.unit.core.venue import SYMBOL, Venue

S = InstrumentStatus


def phase(venue: Venue, status: InstrumentStatus) -> list[Event]:
    """The events of an operator's change of phase, balances left out."""
    return venue.story(SetPhase(SYMBOL, status))


def status(venue: Venue) -> InstrumentStatus:
    return venue.engine.instruments[SYMBOL].status


def changed(status: InstrumentStatus, until_ns: int = 0) -> PhaseChanged:
    return PhaseChanged(SYMBOL, status, PhaseReason.OPERATOR, until_ns)


def catch_up(venue: Venue, time_ns: int = 0, most: int = 20) -> list[Event]:
    """Advances time until nothing is due; all events, balances left out."""
    events = venue.story(AdvanceTime(), time_ns)
    while venue.engine.next_due_ns <= venue.engine.time_ns:
        most -= 1
        assert most, "something stays due"
        events += venue.story(AdvanceTime())
    return events


def trades(events: list[Event]) -> list[tuple[int, int, int, int]]:
    """(price, quantity, maker's order, taker's order)"""
    return [
        (event.price_ticks, event.quantity_lots, event.maker_order_id, event.taker_order_id)
        for event in events
        if isinstance(event, Trade)
    ]


def without_balances(events: list[Event]) -> list[Event]:
    return [event for event in events if not isinstance(event, BalanceChanged)]


def reopened(venue: Venue) -> Engine:
    """Another engine, from a snapshot of this one."""
    return restore(snapshot(venue.engine))
