"""The engine: one command in, its events out.

Promises: a pure function of its state and the command; a refused command changes nothing but
the time; after any exception it takes no further command, because its state may be half changed.
It knows no clock, journal or network: ``time_ns`` comes with each command and never goes back, and
only ``AdvanceTime`` and ``OpenEpoch`` may come at or after ``next_due_ns``.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from orderbook.core.accounts import Account
from orderbook.core.amend import Amends
from orderbook.core.batches import Batches
from orderbook.core.book import Book, LevelView
from orderbook.core.cancels import Cancels
from orderbook.core.commands import (
    AdvanceTime,
    AmendOrder,
    Batch,
    BustTrade,
    CancelAllAfter,
    CancelAllOrders,
    CancelOrder,
    Command,
    DefineAsset,
    DefineInstrument,
    Deposit,
    OpenEpoch,
    PlaceOrder,
    PlaceOrderList,
    ReplaceOrder,
    SetAccountLimits,
    SetAccountStatus,
    SetFeeSchedule,
    SetKillSwitch,
    SetPhase,
    SetReferencePrice,
    SetSchedule,
    Withdraw,
)
from orderbook.core.definitions import Definitions
from orderbook.core.entry import OrderEntry
from orderbook.core.errors import EngineStopped, InvariantBroken
from orderbook.core.events import AssetDefined, Event, InstrumentDefined
from orderbook.core.funds import Funds
from orderbook.core.lifecycle import Lifecycle
from orderbook.core.limits import Limits
from orderbook.core.lists import Lists
from orderbook.core.matching import Matcher
from orderbook.core.operations import Operations
from orderbook.core.phases import Phases
from orderbook.core.placing import Placing
from orderbook.core.plain import PlainWay
from orderbook.core.replace import Replaces
from orderbook.core.special import SpecialEntry
from orderbook.core.timekeeper import Timekeeper
from orderbook.core.triggers import Triggers
from orderbook.core.uncross import Uncross
from orderbook.core.venue import Venue

_PlaceOrder: Final = PlaceOrder
_CancelOrder: Final = CancelOrder


class Engine:
    """Composes the parts. Others read its attributes; only ``apply`` changes them."""

    def __init__(self) -> None:
        self.venue = venue = Venue()
        self._timers = venue.timers
        self._stopped = False
        lifecycle = Lifecycle(venue)
        phases = Phases(venue, Uncross(venue, lifecycle))
        matcher = Matcher(venue, lifecycle)
        entry = OrderEntry(venue, lifecycle, matcher, phases)
        special = SpecialEntry(venue, lifecycle, entry)
        lists = Lists(venue, lifecycle, special)
        self._triggers = triggers = Triggers(venue, lifecycle, special, lists)
        placing = Placing(venue, entry, special)
        amends = Amends(venue, lifecycle, entry, special)
        cancels = Cancels(venue, lifecycle)
        self._plain = PlainWay(venue, placing, entry, matcher, cancels, self._finish)
        definitions = Definitions(venue)
        funds = Funds(venue, cancels)
        limits = Limits(venue, cancels)
        timekeeper = Timekeeper(venue, lifecycle, cancels, phases, triggers)
        self._handlers: dict[type[Any], Callable[[Any, list[Event]], None]] = {
            PlaceOrderList: lists.place,
            AmendOrder: amends.amend,
            ReplaceOrder: Replaces(venue, lifecycle, placing).replace,
            Batch: Batches(venue, placing, cancels, amends.amend, self._follow_up).execute,
            CancelAllOrders: cancels.cancel_all,
            Deposit: funds.deposit,
            Withdraw: funds.withdraw,
            SetAccountStatus: funds.set_account_status,
            DefineAsset: definitions.define_asset,
            DefineInstrument: definitions.define_instrument,
            OpenEpoch: definitions.open_epoch,
            SetAccountLimits: limits.set_account_limits,
            SetKillSwitch: limits.set_kill_switch,
            CancelAllAfter: limits.cancel_all_after,
            SetPhase: phases.set_phase,
            SetSchedule: phases.set_schedule,
            SetReferencePrice: phases.set_reference_price,
            SetFeeSchedule: phases.set_fee_schedule,
            BustTrade: Operations(venue).bust,
            AdvanceTime: timekeeper.advance,
        }

    def apply(self, command: Command, time_ns: int) -> list[Event]:
        """Executes one command. ``InvariantBroken`` and any other exception stop the engine."""
        venue = self.venue
        if self._stopped:
            raise EngineStopped("the engine stopped after an earlier failure")
        try:
            if not venue.time_ns <= time_ns < self._timers.next_ns or venue.agenda:
                self._check_time(command, time_ns)
            venue.time_ns = time_ns
            if type(command) is _PlaceOrder:
                return self._plain.place(command)
            if type(command) is _CancelOrder:
                return self._plain.cancel(command)
            events: list[Event] = []
            self._handlers[type(command)](command, events)
            self._finish(events)
            return events
        except BaseException:
            self._stopped = True
            raise

    def _check_time(self, command: Command, time_ns: int) -> None:
        if time_ns < self.venue.time_ns:
            raise InvariantBroken("time", f"{time_ns} comes after {self.venue.time_ns}")
        if not isinstance(command, AdvanceTime | OpenEpoch):
            raise InvariantBroken(
                "time", f"what was due at {self.next_due_ns} has not been done at {time_ns}"
            )

    def _finish(self, events: list[Event]) -> None:
        """What every command ends with: what follows from its trades, and the balances."""
        if self.venue.traded_books:
            self._triggers.run(events)
        self.venue.ledger.drain_changes(events)

    def _follow_up(self, events: list[Event]) -> None:
        """Executes what follows from one command of a batch, and goes on with what an earlier one
        of them left on the agenda."""
        if self.venue.traded_books or self.venue.agenda:
            self._triggers.run(events)

    # Reads

    @property
    def next_due_ns(self) -> int:
        """When ``AdvanceTime`` is due: at once (0) where an earlier command left something to do,
        or the time of the first timer."""
        return 0 if self.venue.agenda else self.venue.timers.next_ns

    @property
    def epoch(self) -> int:
        return self.venue.epoch

    @property
    def time_ns(self) -> int:
        """Time of the last command."""
        return self.venue.time_ns

    @property
    def assets(self) -> Mapping[str, int]:
        """Decimals of each asset."""
        return self.venue.assets

    @property
    def books(self) -> Mapping[str, Book]:
        return self.venue.books

    @property
    def accounts(self) -> Mapping[int, Account]:
        return self.venue.registry.by_id

    @property
    def supply(self) -> Mapping[str, int]:
        """Per asset: deposits less withdrawals, in minor units."""
        return self.venue.ledger.supply

    @property
    def instruments(self) -> dict[str, InstrumentDefined]:
        return {symbol: book.instrument for symbol, book in self.books.items()}

    def depth(self, symbol: str) -> list[LevelView]:
        """Every level of a book: bids best first, then asks best first. KeyError if unknown."""
        return self.books[symbol].depth()

    def balances(self) -> Iterator[tuple[int, str, int, int]]:
        """(account_id, asset, available_minor, held_minor), by account id, then asset."""
        for account_id, account in sorted(self.accounts.items()):
            for asset, balance in sorted(account.balances.items()):
                yield account_id, asset, balance.available_minor, balance.held_minor

    def definitions(self) -> list[Event]:
        """Every asset, then every instrument, as it is now, by name."""
        events: list[Event] = [AssetDefined(*item) for item in sorted(self.assets.items())]
        events += [self.books[symbol].instrument for symbol in sorted(self.books)]
        return events
