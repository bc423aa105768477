"""The venue broken on purpose, once for each promise: what finds a real bug must find these.

Nothing of this is in the product. Each break is a context manager that replaces a piece of it.
"""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from orderbook.core import bands
from orderbook.core.balances import Balance, Ledger
from orderbook.core.book import Book, BookSide
from orderbook.core.cancels import Cancels
from orderbook.core.entry import OrderEntry
from orderbook.core.events import Event, Trade
from orderbook.core.matching import Matcher
from orderbook.core.order import Order
from orderbook.core.plain import PlainWay
from orderbook.core.timekeeper import Timekeeper
from orderbook.core.timers import Key, TimerKind
from orderbook.core.triggers import Triggers
from orderbook.core.units import SelfTradePrevention, Side
from orderbook.models import ProjectionCursor
from orderbook.projections import Recorded
from orderbook.worker.engine_worker import EngineWorker
from orderbook.worker.repeats import RecentAnswers
from tests.simulation.tables import EventsProjection

Break = Callable[[], Any]

BREAKS: dict[str, tuple[str, Break]] = {}
"""By name: the invariant that is broken, and how."""


def _breaks(invariant: str) -> Callable[[Callable[[], Iterator[None]]], Break]:
    def register(function: Callable[[], Iterator[None]]) -> Break:
        manager = contextmanager(function)
        BREAKS[function.__name__.replace("_", " ")] = (invariant, manager)
        return manager

    return register


class _EveryNth:
    """True at every ``n``-th call."""

    def __init__(self, n: int) -> None:
        self._n = n
        self._calls = 0

    def __call__(self) -> bool:
        self._calls += 1
        return self._calls % self._n == 0


@_breaks("I1")
def a_credit_loses_a_unit() -> Iterator[None]:
    credit = Ledger.credit

    def lossy(ledger: Ledger, balance: Balance, amount_minor: int) -> None:
        credit(ledger, balance, amount_minor - 1)

    with patch.object(Ledger, "credit", lossy):
        yield


@_breaks("I2")
def a_balance_may_become_negative() -> Iterator[None]:
    debit = Ledger.debit

    def generous(ledger: Ledger, balance: Balance, amount_minor: int) -> None:
        debit(ledger, balance, 0)
        balance.available_minor -= amount_minor

    with (
        patch.object(Ledger, "debit", generous),
        patch.object(Ledger, "hold", _hold_twice(generous)),
    ):
        yield


def _hold_twice(debit: Callable[[Ledger, Balance, int], None]) -> Callable[..., None]:
    """An order takes what it needs ten thousand times over from what is available."""

    def hold(ledger: Ledger, balance: Balance, amount_minor: int) -> None:
        debit(ledger, balance, 10_000 * amount_minor)
        balance.held_minor += 10_000 * amount_minor

    return hold


@_breaks("I3")
def a_reply_leaves_before_the_commit() -> Iterator[None]:
    apply = EngineWorker._apply

    def hasty(worker: EngineWorker, message: dict[str, Any] | None) -> Any:
        work = apply(worker, message)
        worker.hasty_reply = asyncio.ensure_future(  # type: ignore[attr-defined]
            work.replies.send()
        )
        return work

    with patch.object(EngineWorker, "_apply", hasty):
        yield


@_breaks("I3")
def a_repeat_is_executed_again() -> Iterator[None]:
    with patch.object(RecentAnswers, "forget_before", lambda answers, now: answers.rows.clear()):
        yield


@_breaks("I4")
def a_sequence_is_skipped() -> Iterator[None]:
    apply, is_due = EngineWorker._apply, _EveryNth(9)

    def forgetful(worker: EngineWorker, message: dict[str, Any] | None) -> Any:
        if is_due():
            worker._sequence += 1
        return apply(worker, message)

    with patch.object(EngineWorker, "_apply", forgetful):
        yield


@_breaks("I5")
def events_come_in_the_order_of_memory_addresses() -> Iterator[None]:
    def by_address(touched: dict[str, Balance]) -> list[str]:
        return sorted(touched, key=lambda place: id(touched[place]))

    with patch("orderbook.core.balances.sorted", by_address, create=True):
        yield


@_breaks("I6")
def a_crossing_order_rests() -> Iterator[None]:
    match = OrderEntry._match_within

    def blind(entry: OrderEntry, bands_: bands.Bands, order: Order, *rest: Any) -> Any:
        if order.order_id % 3 == 0:
            return None
        return match(entry, bands_, order, *rest)

    with patch.object(OrderEntry, "_match_within", blind):
        yield


@_breaks("I7")
def the_youngest_order_trades_first() -> Iterator[None]:
    append = BookSide.append

    def jump_the_queue(side: BookSide, order: Order) -> None:
        append(side, order)
        level = order.level
        assert level is not None
        assert level.first is not None
        if level.first is order:
            return
        assert order.preceding is not None
        level.last, order.preceding.following = order.preceding, None
        order.preceding, order.following = None, level.first
        level.first.preceding = order
        level.first = order

    with (
        patch.object(BookSide, "append", jump_the_queue),
        patch.object(PlainWay, "place", PlainWay._place_generally),
    ):
        yield


@_breaks("I7")
def a_trade_prints_beside_the_makers_price() -> Iterator[None]:
    match = Matcher.match

    def off_by_one(matcher: Matcher, *arguments: Any) -> Any:
        ended, events = match(matcher, *arguments), arguments[-1]
        for place, event in enumerate(events):
            if isinstance(event, Trade):
                fields = {name: getattr(event, name) for name in event.__struct_fields__}
                events[place] = Trade(**(fields | {"price_ticks": event.price_ticks + 1}))
        return ended

    with patch.object(Matcher, "match", off_by_one):
        yield


@_breaks("I8")
def an_order_trades_through_its_limit() -> Iterator[None]:
    match = Matcher.match

    def greedy(matcher: Matcher, taker: Order, limit_ticks: int, *rest: Any) -> Any:
        further = 3 if taker.side is Side.BUY else -3
        return match(matcher, taker, limit_ticks + further, *rest)

    with patch.object(Matcher, "match", greedy):
        yield


@_breaks("I8")
def an_order_trades_with_its_own_account() -> Iterator[None]:
    match = Matcher.match

    def forgetful(
        matcher: Matcher,
        taker: Order,
        limit_ticks: int,
        rule: SelfTradePrevention,
        events: list[Event],
    ) -> Any:
        return match(matcher, taker, limit_ticks, SelfTradePrevention.NONE, events)

    with patch.object(Matcher, "match", forgetful):
        yield


@_breaks("I8")
def an_order_trades_outside_of_the_price_band() -> Iterator[None]:
    with patch("orderbook.core.bands.around", lambda centre_ticks, band_ppm: bands.ANY_PRICE):
        yield


@_breaks("I8")
def an_order_trades_far_from_the_last_price() -> Iterator[None]:
    with patch.object(bands.Bands, "dynamic", lambda bands_, book: bands.ANY_PRICE):
        yield


@_breaks("rules")
def an_order_outlives_its_end() -> Iterator[None]:
    fire = Timekeeper._fire

    def late(timekeeper: Timekeeper, kind: TimerKind, key: Key, events: list[Event]) -> None:
        if kind is not TimerKind.EXPIRY:
            fire(timekeeper, kind, key, events)

    with patch.object(Timekeeper, "_fire", late):
        yield


@_breaks("rules")
def a_kill_switch_stops_nothing() -> Iterator[None]:
    with patch.object(Cancels, "cancel_every"), patch.object(Cancels, "cancel_everybody"):
        yield


@_breaks("rules")
def a_stop_is_not_set_off() -> Iterator[None]:
    with patch.object(Triggers, "_look_at_prices", _forget_prices):
        yield


def _forget_prices(triggers: Triggers, events: list[Event], seen: int) -> int:
    triggers._venue.traded_books.clear()
    return len(events)


@_breaks("I5")
def a_depth_update_misses_a_level() -> Iterator[None]:
    drain, is_due = Book.drain_changes, _EveryNth(5)

    def careless(book: Book) -> Any:
        changes = drain(book)
        if changes is not None and is_due():
            return (*changes[:2], changes[2][1:])
        return changes

    with patch.object(Book, "drain_changes", careless):
        yield


@_breaks("I9")
def a_projection_misses_a_row() -> Iterator[None]:
    apply, is_due = EventsProjection.apply, _EveryNth(4)

    def careless(projection: EventsProjection, records: Sequence[Recorded]) -> None:
        apply(projection, records[:-1] if is_due() else records)

    with patch.object(EventsProjection, "apply", careless):
        yield


@_breaks("I9")
def a_projection_doubles_rows() -> Iterator[None]:
    save, is_due = ProjectionCursor.save, _EveryNth(7)

    def forgetful(cursor: ProjectionCursor, **options: Any) -> None:
        if not is_due():
            save(cursor, **options)

    with patch.object(ProjectionCursor, "save", forgetful):
        yield
