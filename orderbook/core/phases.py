"""Phases of an instrument's market: which orders each one takes, and what a change of phase does.

A phase is changed by an operator, by the instrument's daily schedule, or by the auction that a
trade beyond the dynamic band sets off. Every phase may follow every other; what a change does
depends on the two:

- leaving an auction for TRADING, POST_ONLY or CLOSED uncrosses it first; for another phase (a halt,
  another auction) its orders stay as they are, because a halt must not make trades;
- TRADING and POST_ONLY never begin with a crossed book: whatever came before, it is uncrossed;
- as CLOSED begins, the orders of the day expire (by their timers, which become due at once);
- as TRADING begins, the stops are looked at that the last trade sets off by now.
"""

from typing import Final

from msgspec.structs import replace

from orderbook.core.auction import Auction, indicate
from orderbook.core.book import Book, Session
from orderbook.core.commands import (
    PlaceOrder,
    SetFeeSchedule,
    SetPhase,
    SetReferencePrice,
    SetSchedule,
)
from orderbook.core.errors import InvariantBroken
from orderbook.core.events import (
    AuctionIndicated,
    Event,
    FeeScheduleSet,
    PhaseChanged,
    ReferencePriceSet,
    ScheduleSet,
)
from orderbook.core.fees import FeeSchedule, is_valid
from orderbook.core.liquidity import meets
from orderbook.core.order import Order
from orderbook.core.refusals import command_rejected
from orderbook.core.rejects import RejectReason
from orderbook.core.text import symbol_or_blank
from orderbook.core.timers import AT_ONCE_NS, TimerKind
from orderbook.core.uncross import Uncross
from orderbook.core.units import (
    DAY_NS,
    MAX_PRICE_TICKS,
    MAX_SCHEDULE_ENTRIES,
    InstrumentStatus,
    OrderType,
    PhaseReason,
    PostOnly,
    TimeInForce,
)
from orderbook.core.venue import Venue

AUCTIONS: Final = frozenset({InstrumentStatus.OPENING_AUCTION, InstrumentStatus.CLOSING_AUCTION})
"""Phases that publish what an uncross would do."""
COLLECTING: Final = AUCTIONS | {InstrumentStatus.PRE_OPEN}
"""Phases in which orders rest and nothing trades."""
CONTINUOUS: Final = frozenset({InstrumentStatus.TRADING, InstrumentStatus.POST_ONLY})
"""Phases in which the book is never crossed."""
_MAY_REST: Final = frozenset({TimeInForce.GTC, TimeInForce.DAY, TimeInForce.GTD})


def refuse_in_phase(command: PlaceOrder, book: Book) -> RejectReason | None:
    """Why a phase other than TRADING does not take the order."""
    status = book.instrument.status
    if status not in COLLECTING and status is not InstrumentStatus.POST_ONLY:
        return RejectReason.INSTRUMENT_NOT_TRADING
    if command.type is OrderType.MARKET or command.time_in_force not in _MAY_REST:
        return RejectReason.NOT_IN_THIS_PHASE
    options = command.options
    if (
        status is InstrumentStatus.POST_ONLY
        and command.type is OrderType.LIMIT
        and (options is None or options.post_only is not PostOnly.REPRICE)
        and meets(book, command.side, command.price_ticks) is not None
    ):
        return RejectReason.POST_ONLY_WOULD_TRADE
    return None


def expires_ns(order: Order) -> int:
    """When an order with an end ends; one of the day is due at once in a CLOSED instrument."""
    special = order.special
    assert special is not None
    closed = order.book.instrument.status is InstrumentStatus.CLOSED
    if closed and special.time_in_force is TimeInForce.DAY:
        return AT_ONCE_NS
    return special.options.expire_time_ns


class Phases:
    __slots__ = ("_uncross", "_venue")

    def __init__(self, venue: Venue, uncross: Uncross) -> None:
        self._venue = venue
        self._uncross = uncross

    # Commands

    def set_phase(self, command: SetPhase, events: list[Event]) -> None:
        """An operator's word: it ends a volatility auction, too, and repeats are allowed."""
        book = self._venue.books.get(command.symbol)
        if book is None:
            self._refuse(command, RejectReason.UNKNOWN_SYMBOL, events)
            return
        self.change(book, command.status, PhaseReason.OPERATOR, events)

    def set_schedule(self, command: SetSchedule, events: list[Event]) -> None:
        """Arms the next entry; the present phase stays until then."""
        venue = self._venue
        symbol, entries = command.symbol, command.entries
        book = venue.books.get(symbol)
        if book is None:
            self._refuse(command, RejectReason.UNKNOWN_SYMBOL, events)
            return
        times_ns = [time_of_day_ns for time_of_day_ns, _ in entries]
        if (
            len(entries) > MAX_SCHEDULE_ENTRIES
            or times_ns != sorted(set(times_ns))
            or not all(0 <= time_of_day_ns < DAY_NS for time_of_day_ns in times_ns)
        ):
            self._refuse(command, RejectReason.INVALID_SCHEDULE, events)
            return
        if entries:
            book.session = session = Session(entries, venue.time_ns)
            venue.timers.set(TimerKind.SCHEDULE, symbol, session.next_ns)
        else:
            book.session = None
            venue.timers.clear(TimerKind.SCHEDULE, symbol)
        events.append(ScheduleSet(symbol, entries))

    def set_reference_price(self, command: SetReferencePrice, events: list[Event]) -> None:
        symbol, price_ticks = command.symbol, command.price_ticks
        book = self._venue.books.get(symbol)
        if book is None:
            self._refuse(command, RejectReason.UNKNOWN_SYMBOL, events)
            return
        if not 0 < price_ticks <= MAX_PRICE_TICKS:
            self._refuse(command, RejectReason.INVALID_PRICE, events)
            return
        book.reference_ticks = price_ticks
        events.append(ReferencePriceSet(symbol, price_ticks))

    def set_fee_schedule(self, command: SetFeeSchedule, events: list[Event]) -> None:
        """Holds for every fill from now on; no tiers bring the flat fees back."""
        symbol, tiers = command.symbol, command.tiers
        book = self._venue.books.get(symbol)
        if book is None:
            self._refuse(command, RejectReason.UNKNOWN_SYMBOL, events)
            return
        if not is_valid(tiers):
            self._refuse(command, RejectReason.INVALID_FEE_SCHEDULE, events)
            return
        book.fees = FeeSchedule(book.instrument.quote, tiers) if tiers else None
        events.append(FeeScheduleSet(symbol, tiers))

    # What is due

    def follow_schedule(self, symbol: str, events: list[Event]) -> None:
        """The next entry's time has come. Missed ones come one by one, none is left out."""
        book = self._venue.books[symbol]
        session = book.session
        assert session is not None
        phase = session.due_phase()
        session.arm(session.next_ns)
        self._venue.timers.set(TimerKind.SCHEDULE, symbol, session.next_ns)
        self.change(book, phase, PhaseReason.SCHEDULE, events)

    def end_volatility_auction(self, symbol: str, events: list[Event]) -> None:
        """Its time is over; it is not prolonged, whether anything trades or not."""
        book = self._venue.books[symbol]
        self.change(book, InstrumentStatus.TRADING, PhaseReason.VOLATILITY_END, events)

    def go_on_uncrossing(self, symbol: str, events: list[Event]) -> None:
        book = self._venue.books[symbol]
        auction = book.auction
        assert auction is not None
        if self._uncross.go_on(book, auction, events):
            self._enter(book, auction.then, auction.why, 0, events)

    def publish(self, symbol: str, events: list[Event]) -> None:
        """What an uncross would do, if that has changed."""
        book = self._venue.books[symbol]
        auction = book.auction
        assert auction is not None
        indication = indicate(book)
        if indication != auction.indicated:
            auction.indicated = indication
            events.append(AuctionIndicated(symbol, *indication))

    # Changes

    def begin_volatility_auction(self, book: Book, pause_ns: int, events: list[Event]) -> None:
        """After the order that a dynamic band stopped is done."""
        until_ns = self._venue.time_ns + pause_ns
        self._enter(
            book, InstrumentStatus.OPENING_AUCTION, PhaseReason.VOLATILITY, until_ns, events
        )
        self._venue.timers.set(TimerKind.PHASE_END, book.instrument.symbol, until_ns)

    def change(
        self, book: Book, status: InstrumentStatus, reason: PhaseReason, events: list[Event]
    ) -> None:
        """Uncrosses where that comes first, then begins the phase."""
        symbol = book.instrument.symbol
        self._venue.timers.clear(TimerKind.PHASE_END, symbol)
        self._venue.timers.clear(TimerKind.INDICATION, symbol)
        ends_auction = book.instrument.status in AUCTIONS and (
            status in CONTINUOUS or status is InstrumentStatus.CLOSED
        )
        if (ends_auction or (status in CONTINUOUS and book.is_crossed())) and (
            not self._uncross.begin(book, status, reason, events)
        ):
            return
        self._enter(book, status, reason, 0, events)

    def _enter(
        self,
        book: Book,
        status: InstrumentStatus,
        reason: PhaseReason,
        until_ns: int,
        events: list[Event],
    ) -> None:
        symbol = book.instrument.symbol
        if status in CONTINUOUS and book.is_crossed():
            raise InvariantBroken("I6", f"{symbol} is crossed or locked after an auction")
        book.define(replace(book.instrument, status=status))
        events.append(PhaseChanged(symbol, status, reason, until_ns))
        if status in AUCTIONS:
            book.auction = Auction()
            self.publish(symbol, events)
            return
        book.auction = None
        if status is InstrumentStatus.TRADING and book.waiting is not None:
            self._venue.traded_books.append(book)
        elif status is InstrumentStatus.CLOSED:
            self._expire_day_orders(book)

    def _expire_day_orders(self, book: Book) -> None:
        """Makes their expiry due at once; MAX_TIMERS of them go with each ``AdvanceTime``."""
        for order_id, order in self._venue.expiring.items():
            if order.book is book:
                self._venue.timers.set(TimerKind.EXPIRY, order_id, expires_ns(order))

    def _refuse(
        self,
        command: SetPhase | SetSchedule | SetReferencePrice | SetFeeSchedule,
        reason: RejectReason,
        events: list[Event],
    ) -> None:
        events.append(command_rejected(0, command, symbol_or_blank(command.symbol), reason))
