"""Explains an order, or what became of one command, from the journal.

Three readings: a replay to just before the order's command (the rules that it met, the queue ahead
of it), the order's events from there on, and where it still works a replay to the journal's end
(its place now). ``Limits`` bounds them for callers who cannot wait; a step says what was left out.
"""

from typing import NamedTuple

import msgspec

from orderbook import journal
from orderbook.core.commands import PlaceOrder
from orderbook.core.engine import Engine
from orderbook.core.events import (
    AmendRejected,
    BatchRejected,
    CancelRejected,
    CommandRejected,
    Event,
    OrderAccepted,
    OrderListAccepted,
    OrderRejected,
)
from orderbook.core.order import Order, Stage
from orderbook.core.rejects import MESSAGES, RejectReason
from orderbook.core.units import InstrumentStatus, OrderListKind, OrderType
from orderbook.explanation import reading
from orderbook.explanation.amounts import Amounts
from orderbook.explanation.asked import asked_facts, asked_text, command_of, placed_in
from orderbook.explanation.checks import checked_facts
from orderbook.explanation.errors import NotInJournal, TooFar
from orderbook.explanation.places import ahead_of_order, ahead_of_price, tradable_at_once
from orderbook.explanation.reading import Executed, Progress, no_progress
from orderbook.explanation.replay import engine_at, replay_length
from orderbook.explanation.steps import Explanation, Facts, Step
from orderbook.explanation.story import Story

_REFUSALS = (OrderRejected, AmendRejected, CancelRejected, BatchRejected, CommandRejected)
_MAX_LISTED_EVENTS = 200
"""Events of a command that ``explain_command`` tells of."""


class Limits(NamedTuple):
    """0: none."""

    replayed: int = 0
    """Commands that each of the two replays executes at most."""
    read: int = 0
    """Commands after the order's own that are searched for its events."""


NO_LIMITS = Limits()


def explain_order(
    order_id: int,
    *,
    created_sequence: int = 0,
    limits: Limits = NO_LIMITS,
    progress: Progress = no_progress,
) -> Explanation:
    """``created_sequence``: where a table says that the order was accepted; it is looked up in the
    journal where that is wrong or 0. Raises NotInJournal."""
    executed = reading.executed_at(created_sequence) if created_sequence else None
    accepted = _accepted_in(executed, order_id)
    if accepted is None:
        sequence = reading.sequence_of_order(order_id)
        executed = reading.executed_at(sequence) if sequence is not None else None
        accepted = _accepted_in(executed, order_id)
    if executed is None or accepted is None:
        raise NotInJournal(f"The journal has no order {order_id}.")
    return _Explaining(executed, limits, progress).order(accepted)


def explain_client_order(
    account_id: int,
    client_order_id: str,
    *,
    limits: Limits = NO_LIMITS,
    progress: Progress = no_progress,
) -> Explanation:
    """The newest order of the account with this client order id, accepted or refused."""
    sequence = reading.sequence_of_client(account_id, client_order_id, progress)
    executed = reading.executed_at(sequence) if sequence is not None else None
    if executed is None:
        raise NotInJournal(
            f"The journal has no order of account {account_id} with the client order id "
            f"{client_order_id!r}."
        )
    explaining = _Explaining(executed, limits, progress)
    key = (account_id, client_order_id)
    for event in executed.events:
        if isinstance(event, OrderAccepted | OrderRejected) and key == (
            event.account_id,
            event.client_order_id,
        ):
            if isinstance(event, OrderAccepted):
                return explaining.order(event)
            return explaining.refused(event)
    raise AssertionError("the sequence was found by one of its events")


def explain_command(
    sequence: int, *, limits: Limits = NO_LIMITS, progress: Progress = no_progress
) -> Explanation:
    """What became of the command at a sequence; of one order, its whole story."""
    executed = reading.executed_at(sequence)
    if executed is None:
        raise NotInJournal(f"The journal has no sequence {sequence}.")
    explaining = _Explaining(executed, limits, progress)
    orders = [one for one in executed.events if isinstance(one, OrderAccepted)]
    placed = list(placed_in(executed.command))
    if len(placed) == len(orders) == 1:
        return explaining.order(orders[0])
    first = executed.events[0] if executed.events else None
    if len(placed) == 1 and isinstance(first, OrderRejected):
        return explaining.refused(first)
    return explaining.command()


def _accepted_in(executed: Executed | None, order_id: int) -> OrderAccepted | None:
    for event in executed.events if executed is not None else ():
        if isinstance(event, OrderAccepted) and event.order_id == order_id:
            return event
    return None


class _Explaining:
    """One command, and what is known of the engine around it."""

    def __init__(self, executed: Executed, limits: Limits, progress: Progress) -> None:
        self._executed = executed
        self._limits = limits
        self._progress = progress
        self._end = journal.last_sequence()
        self._before: Engine | None = None
        self._now: Engine | None = None
        self._steps: list[Step] = []
        if self._affordable(executed.sequence - 1):
            self._before = engine_at(executed.sequence - 1, progress)

    def order(self, accepted: OrderAccepted) -> Explanation:
        text = self._amounts(accepted.symbol)
        assert text is not None
        self._tell_arrival(accepted, text)
        story = Story(accepted, text)
        story.hear(self._executed)
        if not story.is_done:
            story.steps.append(self._at_first(story, text))
        read_to = self._follow(story)
        self._steps += story.steps
        if read_to < self._end:
            self._add(
                "left_out", f"The journal was read up to sequence {read_to} only.", at=read_to
            )
        elif not story.is_done:
            self._tell_place_now(accepted, text)
        return self._done(
            accepted.order_id, accepted.account_id, accepted.symbol, story.summary(), read_to
        )

    def refused(self, event: OrderRejected) -> Explanation:
        command = command_of(self._executed, event)
        if command is not None:
            text = self._amounts(command.symbol)
            self._add("asked", asked_text(command, text), asked_facts(command, text))
            if self._before is not None:
                facts = self._checked_facts(self._before, command, event.reason)
                self._add("checked", "The rules that it met, in order.", facts)
            else:
                self._add_left_out()
        facts = {"code": event.reason.value}
        self._add("refused", f"Refused: {MESSAGES[event.reason]}", facts)
        summary = f"Refused ({event.reason.value}): {MESSAGES[event.reason]}"
        return self._done(0, event.account_id, event.symbol, summary, self._executed.sequence)

    def command(self) -> Explanation:
        command, events = self._executed.command, self._executed.events
        name = type(command).__name__
        self._add("asked", f"Asked: {name}.", _fields(command))
        for event in events[:_MAX_LISTED_EVENTS]:
            self._add("event", _sentence(event), _fields(event))
        if len(events) > _MAX_LISTED_EVENTS:
            left_out = len(events) - _MAX_LISTED_EVENTS
            self._add("left_out", f"{left_out} more events are not shown.")
        first = events[0] if events else None
        refused = isinstance(first, _REFUSALS)
        outcome = f"refused ({first.reason.value})" if refused else "carried out"  # type: ignore[union-attr]
        account_id = getattr(command, "account_id", 0)
        symbol = getattr(command, "symbol", "")
        return self._done(0, account_id, symbol, f"{name}: {outcome}.", self._executed.sequence)

    # Parts

    def _tell_arrival(self, accepted: OrderAccepted, text: Amounts) -> None:
        command = command_of(self._executed, accepted)
        assert command is not None
        self._add("asked", asked_text(command, text), asked_facts(command, text))
        if self._before is None:
            self._add_left_out()
            return
        facts = self._checked_facts(self._before, command, None)
        self._add("checked", "The rules that it met, all kept.", facts)
        if command.type not in (OrderType.LIMIT, OrderType.MARKET):
            return
        book = self._before.books[accepted.symbol]
        orders, lots = tradable_at_once(book, accepted.side, accepted.price_ticks)
        opposite = {"orders_opposite": orders, **text.quantity_facts("quantity_opposite", lots)}
        if accepted.type is OrderType.MARKET:
            self._add("queue", f"On arrival {_counted(orders)} stood opposite.", opposite)
            return
        ahead = ahead_of_price(book, accepted.side, accepted.price_ticks)
        sentence = (
            f"On arrival {_counted(ahead.orders)} with {text.quantity(ahead.lots)} stood ahead "
            f"of it, and {_counted(orders)} opposite that it could trade with at once."
        )
        self._add("queue", sentence, ahead.facts(text) | opposite)

    def _checked_facts(
        self, engine: Engine, order: PlaceOrder, broken: RejectReason | None
    ) -> Facts:
        executed = self._executed
        return checked_facts(engine, order, executed.command, executed.time_ns, broken)

    def _at_first(self, story: Story, text: Amounts) -> Step:
        """What the order does once its own command is over."""
        order = story.order
        left = text.quantity(story.quantity_lots - story.filled_lots)
        if self._is_exit(order) and not story.is_armed:
            kind, sentence = "pending", "It waits until its bracket's entry is done."
        elif order.type is OrderType.LIMIT or story.is_set_off:
            price = text.price(story.price_ticks)
            kind, sentence = "rests", f"What was left, {left}, rests in the book at {price}."
        else:
            kind, sentence = "waits", "It waits for its stop price."
        return Step(kind, self._executed.sequence, self._executed.time_ns, sentence)

    def _is_exit(self, order: OrderAccepted) -> bool:
        return any(
            isinstance(one, OrderListAccepted)
            and one.list_kind is OrderListKind.BRACKET
            and order.order_id in one.order_ids[1:]
            for one in self._executed.events
        )

    def _follow(self, story: Story) -> int:
        """Tells the story what the journal has after the order's command; gives how far it read."""
        sequence = self._executed.sequence
        row = reading.row_of(sequence)
        assert row is not None
        last = sequence + self._limits.read if self._limits.read else self._end
        needles = _Needles(story)
        start = row.first_sequence - 1
        for row in reading.rows_after(start, self._progress):
            if row.first_sequence > last:
                return row.first_sequence - 1
            if needles.may_be_in(bytes(row.payload)):
                for executed in reading.commands_of(journal.decode_row(row)):
                    if executed.sequence > sequence:
                        story.hear(executed)
            self._end = max(self._end, row.last_sequence)
        return self._end

    def _tell_place_now(self, accepted: OrderAccepted, text: Amounts) -> None:
        engine = self._engine_now()
        if engine is None:
            self._add("left_out", "Its place now is left out: the journal's end is too far.", at=0)
            return
        account = engine.accounts[accepted.account_id]
        order = account.orders.get(accepted.order_id)
        if order is None:
            return
        now, sentence, facts = engine.time_ns, *_place(order, text)
        self._steps.append(Step("now", 0, now, sentence, facts))

    def _engine_now(self) -> Engine | None:
        if self._now is None and self._affordable(self._end):
            self._now = engine_at(self._end, self._progress)
        return self._now

    def _amounts(self, symbol: str) -> Amounts | None:
        """From any state that knows the instrument: its units never change."""
        engine = self._before
        if engine is None or symbol not in engine.books:
            engine = self._engine_now()
        if engine is None:
            raise TooFar
        book = engine.books.get(symbol)
        return None if book is None else Amounts(book.instrument)

    def _affordable(self, sequence: int) -> bool:
        return not self._limits.replayed or replay_length(sequence) <= self._limits.replayed

    def _add_left_out(self) -> None:
        self._add(
            "left_out",
            "The rules and the queue on arrival are left out here, because the nearest snapshot is "
            "too far. The command explain_order tells of them.",
        )

    def _add(self, kind: str, text: str, facts: object = None, *, at: int | None = None) -> None:
        executed = self._executed
        sequence = executed.sequence if at is None else at
        self._steps.append(Step(kind, sequence, executed.time_ns, text, dict(facts or {})))  # type: ignore[call-overload]

    def _done(
        self, order_id: int, account_id: int, symbol: str, summary: str, read_to: int
    ) -> Explanation:
        return Explanation(order_id, account_id, symbol, summary, read_to, self._steps)


class _Needles:
    """What the bytes of a row hold if something in it may be about the order."""

    def __init__(self, story: Story) -> None:
        order = story.order
        self._story = story
        self._order_id = msgspec.msgpack.encode(order.order_id)
        self._others = [b"PhaseChanged", b"AuctionUncrossed"]
        if order.client_order_id:
            self._others.append(order.client_order_id.encode())

    def may_be_in(self, payload: bytes) -> bool:
        if self._story.is_done:
            return b"TradeBusted" in payload
        return self._order_id in payload or any(one in payload for one in self._others)


def _place(order: Order, text: Amounts) -> tuple[str, dict[str, object]]:
    """Where an open order stands, in words."""
    special = order.special
    stage = Stage.RESTING if special is None else special.stage
    if stage is Stage.PENDING:
        return "Now it waits until its bracket's entry is done.", {}
    if stage is Stage.WAITING:
        assert special is not None
        book = order.book
        facts = text.price_facts("stop_price", special.stop_ticks)
        facts |= text.price_facts("last_price", book.last_ticks or book.reference_ticks)
        return f"Now it waits for a last price of {text.price(special.stop_ticks)}.", facts
    if order.level is None:
        return "Now it is set off and about to go to the book.", {}
    ahead = ahead_of_order(order.book, order)
    phase = order.book.instrument.status
    note = "" if phase is InstrumentStatus.TRADING else f" The market's phase is {phase.value}."
    sentence = (
        f"Now {_counted(ahead.orders)} with {text.quantity(ahead.lots)} ahead of it; "
        f"{text.quantity(order.open_lots())} of it is open.{note}"
    )
    return sentence, ahead.facts(text) | text.quantity_facts("open", order.open_lots())


def _counted(orders: int) -> str:
    return "1 order" if orders == 1 else f"{orders} orders"


def _fields(value: msgspec.Struct) -> dict[str, str]:
    """For commands and events that have no wording of their own."""
    return {name: _shown(getattr(value, name)) for name in value.__struct_fields__}


def _shown(value: object) -> str:
    return str(getattr(value, "value", value))


def _sentence(event: Event) -> str:
    if isinstance(event, _REFUSALS):
        return f"{type(event).__name__}: {MESSAGES[event.reason]}"
    return f"{type(event).__name__}."
