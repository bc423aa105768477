"""The engine and the naive venue side by side: the same commands, and everything compared."""

import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from unittest.mock import patch

from orderbook.core.commands import AdvanceTime, Command, OpenEpoch
from orderbook.core.engine import Engine
from orderbook.core.events import BalanceChanged, Event
from orderbook.core.invariants import check
from orderbook.core.snapshot import restore, snapshot, state_hash
from orderbook.core.units import Side
from tests.property.reference.state import Bounds, Stage
from tests.property.reference.venue import ReferenceVenue

SMALL = Bounds(
    fills=4,
    command_trades=6,
    triggers=2,
    timers=2,
    trailing=3,
    open_orders=16,
    batch=6,
    client_ids=4,
)
MOST_ADVANCES = 2_000
"""How many AdvanceTime commands one command may need before it. More of them would never end."""

Timed = tuple[Command, int]
"""A command and its time."""


@contextmanager
def bounds_of_engine(bounds: Bounds) -> Iterator[None]:
    """Sets the engine's limits, in each module that has them."""
    limits = {
        "MAX_FILLS": bounds.fills,
        "MAX_COMMAND_TRADES": bounds.command_trades,
        "MAX_TRIGGERS": bounds.triggers,
        "MAX_TIMERS": bounds.timers,
        "MAX_TRAILING_STOPS": bounds.trailing,
        "MAX_OPEN_ORDERS": bounds.open_orders,
        "MAX_BATCH_COMMANDS": bounds.batch,
        "CLIENT_ORDER_ID_MEMORY": bounds.client_ids,
        "MAX_EMPTY_LEVELS": 2,  # which nobody can see
    }
    with ExitStack() as stack:
        for name, module in list(sys.modules.items()):
            if name.startswith("orderbook.core."):
                for limit, value in limits.items():
                    if hasattr(module, limit):
                        stack.enter_context(patch.object(module, limit, value))
        yield


class Pair:
    def __init__(self, bounds: Bounds = SMALL) -> None:
        self.engine = Engine()
        self.reference = ReferenceVenue(bounds)
        self.sent: list[Timed] = []
        """Every command so far, to run it again."""
        self.commands: Counter[str] = Counter()
        self.kinds: Counter[str] = Counter()
        """Of events, and of the reasons that they give."""

    def do(self, command: Command, time_ns: int) -> list[Event]:
        """Sends a command, after what is due before it; compares events and state."""
        if not isinstance(command, AdvanceTime | OpenEpoch):
            self.advance(time_ns)
        return self.apply(command, time_ns)

    def advance(self, time_ns: int) -> None:
        for _ in range(MOST_ADVANCES):
            if self.engine.next_due_ns > time_ns:
                return
            self.apply(AdvanceTime(), time_ns)
        raise AssertionError("something is due for ever")

    def apply(self, command: Command, time_ns: int) -> list[Event]:
        self.sent.append((command, time_ns))
        self.commands[type(command).__name__] += 1
        before = self.reference.balances()
        expected = self.reference.apply(command, time_ns)
        events = self.engine.apply(command, time_ns)
        told = [event for event in events if isinstance(event, BalanceChanged)]
        story = events[: len(events) - len(told)]
        assert story == expected, difference(story, expected)
        self.compare_balances(before, told)
        self.compare_state()
        for event in story:
            self.kinds[type(event).__name__] += 1
            reason = getattr(event, "reason", None)
            if reason is not None:
                self.kinds[f"{type(event).__name__} {reason.value}"] += 1
        return events

    def compare_balances(
        self, before: dict[tuple[int, str], tuple[int, int]], told: list[BalanceChanged]
    ) -> None:
        """A command tells each balance that it changed, or that one of its trades moved, once and
        as it is now, and none that it had nothing to do with."""
        after = self.reference.balances()
        told_of = [(event.account_id, event.asset) for event in told]
        assert told_of == sorted(set(told_of))
        for event in told:
            now = after.get((event.account_id, event.asset), (0, 0))
            assert (event.available_minor, event.held_minor) == now, event
        keys = before.keys() | after.keys()
        changed = {key for key in keys if before.get(key) != after.get(key)}
        assert changed | self.reference.paid <= set(told_of) <= changed | self.reference.involved

    def compare_state(self) -> None:
        engine, reference = self.engine, self.reference
        check(engine)
        assert engine.next_due_ns == reference.next_due_ns()
        assert balances_of(engine) == reference.balances()
        assert orders_of(engine) == orders_of_reference(reference)
        assert engine.instruments == {
            symbol: market.rules for symbol, market in reference.markets.items()
        }
        for symbol, book in engine.books.items():
            assert engine.depth(symbol) == reference.depth(symbol)
            market = reference.markets[symbol]
            assert (book.last_ticks, book.reference_ticks) == (market.last, market.reference)
            for side, book_side in ((Side.BUY, book.bids), (Side.SELL, book.asks)):
                queue = [order.order_id for level in book_side for order in level]
                assert queue == [order.id for order in reference.standing(symbol, side)]
        assert {account.account_id: account.status for account in engine.accounts.values()} == {
            account.id: account.status for account in reference.accounts.values()
        }

    def restart(self) -> None:
        """The engine goes on from a snapshot of itself."""
        packed, was = snapshot(self.engine), state_hash(self.engine)
        self.engine = restore(packed)
        assert state_hash(self.engine) == was
        assert snapshot(self.engine) == packed
        self.compare_state()


Row = tuple[int, int, str, Side, int, int, int, int, str, str, int]
"""An open order: id, account, symbol, side, price, quantity, what is left, what of it shows, client
order id, stage, stop price."""


def orders_of(engine: Engine) -> list[Row]:
    rows = []
    for account in engine.accounts.values():
        for order in account.orders.values():
            special = order.special
            stage = special.stage.name if special is not None else Stage.RESTING.name
            rows.append(
                (
                    order.order_id,
                    account.account_id,
                    order.book.instrument.symbol,
                    order.side,
                    order.price_ticks,
                    order.quantity_lots,
                    order.open_lots(),
                    order.remaining_lots if order.level is not None else 0,
                    order.client_order_id,
                    stage,
                    special.stop_ticks if special is not None else 0,
                )
            )
    return sorted(rows)


def orders_of_reference(reference: ReferenceVenue) -> list[Row]:
    return sorted(
        (
            order.id,
            order.account,
            order.symbol,
            order.side,
            order.price,
            order.quantity,
            order.left,
            order.shown if order.stage is Stage.RESTING else 0,
            order.client_id,
            order.stage.name,
            order.stop,
        )
        for order in reference.orders
    )


def balances_of(engine: Engine) -> dict[tuple[int, str], tuple[int, int]]:
    return {
        (account, asset): (available, held)
        for account, asset, available, held in engine.balances()
        if available or held
    }


def difference(story: list[Event], expected: list[Event]) -> str:
    lines = ["the engine and the rules tell different stories (- engine, + rules):"]
    for n in range(max(len(story), len(expected))):
        one, other = story[n : n + 1], expected[n : n + 1]
        if one == other:
            lines.append(f"    {one[0]}")
        else:
            lines += [f"  - {event}" for event in one] + [f"  + {event}" for event in other]
    return "\n".join(lines)
