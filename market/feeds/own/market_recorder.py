"""One market's events as market-by-order records, as a venue's own feed would send them.

The events of a command tell the story in the order in which it happened: trades with the fills of
their makers, cancels, amends, refreshed icebergs. They do not tell everything (nothing says that an
order which was set off now rests), so after each command every order that it may have touched is
compared with the engine's book, and what the story left out is recorded then. After the last record
of a command, which carries FLAG_LAST, the book that the records build is the engine's: the same
orders, the same quantities that show, the same queues.

What shows is what is recorded: of an iceberg the displayed part. Waiting stops are no part of a
book and of no record.
"""

from collections.abc import Iterable

from market.feeds.dbn.records import FLAG_SNAPSHOT, Records
from market.feeds.own.emission import Emission
from market.feeds.own.expression import PHASE_NUMBERS, Expression
from market.feeds.own.reconciling import reconcile
from market.feeds.own.standing import Away, Standing, away_of, standing_of
from orderbook.core.book import Book
from orderbook.core.engine import Engine
from orderbook.core.events import (
    Event,
    IcebergRefreshed,
    OrderAccepted,
    OrderAmended,
    OrderArmed,
    OrderCanceled,
    OrderTriggered,
    PhaseChanged,
    SelfTradePrevented,
    Trade,
)
from orderbook.core.order import Order, Stage


class MarketRecorder:
    """Follows an engine: ``take`` after each command that the engine has applied."""

    def __init__(self, engine: Engine, symbol: str) -> None:
        """Raises KeyError where the engine has no such instrument, NotExpressible where its prices
        cannot be recorded."""
        self._engine = engine
        self._symbol = symbol
        self._book: Book = engine.books[symbol]
        self._emission = Emission(Expression.of(self._book.instrument))
        self._standing: dict[int, Standing] = {}
        self._away: dict[int, Away] = {}
        self._leaving: dict[int, Standing] = {}
        """Amended in the running command, so that they lost their place: they are recorded as
        standing where they were until they trade or rest."""
        self._touched: dict[int, int] = {}
        """Account of each order that the running command may have changed."""
        self._set_off: dict[int, int] = {}
        """Account of each order on the engine's agenda: it may come to rest without an event."""
        self._run: list[Trade] = []
        """Fills of one taker at one price that are not recorded yet."""
        self._fresh_count = 0

    # -- what callers use ---------------------------------------------------------------------

    def snapshot(self, sequence: int) -> Records:
        """The book as it is now: an R, then every order in priority order."""
        emission = self._emission
        emission.begin_event(self._engine.time_ns, sequence)
        orders = [order for side in (self._book.bids, self._book.asks) for order in _orders(side)]
        emission.clear(begins_snapshot=bool(orders))
        self._standing = {order.order_id: standing_of(order) for order in orders}
        for one in self._standing.values():
            emission.add(one.order_id, one.side, one.price_ticks, one.shown_lots, FLAG_SNAPSHOT)
        emission.end_event()
        self._learn_the_others()
        return emission.packed()

    def follow(self, engine: Engine) -> None:
        """Goes on with another engine, which is in the state of the one before."""
        self._engine, self._book = engine, engine.books[self._symbol]

    def take(self, sequence: int, time_ns: int, events: Iterable[Event]) -> None:
        """Records what one command did; the engine must have applied it, and nothing after it."""
        self._emission.begin_event(time_ns, sequence)
        self._touched = dict(self._set_off)
        for event in events:
            if getattr(event, "symbol", None) == self._symbol:
                self._take(event)
        self._flush()
        if self._touched:
            self._reconcile()
        self._emission.end_event()

    def packed(self) -> Records:
        """The records of every ``take`` since the last call."""
        return self._emission.packed()

    # -- the story ----------------------------------------------------------------------------

    def _take(self, event: Event) -> None:
        match event:
            case Trade():
                self._trade(event)
                return
            case OrderAccepted():
                display_lots = event.options.display_lots if event.options is not None else 0
                self._away[event.order_id] = Away(
                    event.account_id, event.side, event.price_ticks, event.quantity_lots,
                    display_lots,
                )  # fmt: skip
                self._touched[event.order_id] = event.account_id
                return
        self._flush()
        match event:
            case OrderCanceled():
                self._cancel(event.order_id)
            case OrderAmended():
                self._amend(event)
            case IcebergRefreshed():
                self._away[event.order_id].display_lots = event.display_lots
                self._rest(event.order_id)
            case SelfTradePrevented() if event.decremented_lots:
                self._decrement(event)
            case OrderArmed():
                self._away[event.order_id].open_lots = event.quantity_lots
            case PhaseChanged():
                self._emission.note(PHASE_NUMBERS[event.status])
        if isinstance(event, OrderAmended | OrderArmed | OrderTriggered | OrderCanceled):
            self._touched[event.order_id] = event.account_id

    def _trade(self, trade: Trade) -> None:
        self._touched[trade.maker_order_id] = trade.maker_account_id
        self._touched[trade.taker_order_id] = trade.taker_account_id
        if self._run and not _continues(self._run[-1], trade):
            self._flush()
        if trade.maker_order_id not in self._standing:
            self._flush()
            self._rest(trade.maker_order_id)
        if trade.in_auction:
            if trade.taker_order_id not in self._standing:
                self._rest(trade.taker_order_id)
        else:
            leaving = self._leaving.pop(trade.taker_order_id, None)
            if leaving is not None:
                self._emit_cancel(leaving)
            self._away[trade.taker_order_id].open_lots -= trade.quantity_lots
        self._run.append(trade)

    def _flush(self) -> None:
        """Records the run: one T, an F for each maker, then what is left of each."""
        run = self._run
        if not run:
            return
        self._run = []
        emission, first = self._emission, run[0]
        lots = sum(trade.quantity_lots for trade in run)
        side = None if first.in_auction else first.taker_side
        taker_id = 0 if first.in_auction else first.taker_order_id
        emission.trade(taker_id, side, first.price_ticks, lots)
        fills = [
            (order_id, trade.quantity_lots)
            for trade in run
            for order_id in (trade.maker_order_id, trade.taker_order_id)
            if trade.in_auction or order_id == trade.maker_order_id
        ]
        for order_id, filled_lots in fills:
            maker = self._standing[order_id]
            emission.fill(order_id, maker.side, first.price_ticks, filled_lots)
        for order_id, filled_lots in fills:
            maker = self._standing[order_id]
            self._shrink(maker, maker.hide(filled_lots) if first.in_auction else filled_lots)

    def _shrink(self, one: Standing, shown_lots: int) -> None:
        """Less of an order shows, or nothing any more."""
        if not shown_lots:
            return
        if shown_lots >= one.shown_lots:
            self._emit_cancel(one)
            del self._standing[one.order_id]
            if one.reserve_lots:
                self._away[one.order_id] = Away(
                    one.account_id, one.side, one.price_ticks, one.reserve_lots, one.shown_lots
                )
            return
        one.shown_lots -= shown_lots
        self._emission.modify(one.order_id, one.side, one.price_ticks, one.shown_lots)

    def _rest(self, order_id: int) -> None:
        """An order that did not stand comes to the back of its level, as far as is known by now."""
        leaving = self._leaving.pop(order_id, None)
        if leaving is not None:
            self._emit_cancel(leaving)
        away = self._away.pop(order_id)
        self._emit_add(away.standing(order_id))

    def _cancel(self, order_id: int) -> None:
        one = self._standing.pop(order_id, None) or self._leaving.pop(order_id, None)
        if one is not None:
            self._emit_cancel(one)
        self._away.pop(order_id, None)

    def _amend(self, event: OrderAmended) -> None:
        one = self._standing.get(event.order_id)
        if one is None:
            away = self._away[event.order_id]
            away.price_ticks, away.open_lots = event.price_ticks, event.remaining_lots
        elif event.kept_priority:
            lots = one.shown_lots + one.reserve_lots - event.remaining_lots
            self._shrink(one, one.hide(lots))
        else:
            self._leaving[event.order_id] = self._standing.pop(event.order_id)
            order = self._engine.accounts[event.account_id].orders.get(event.order_id)
            special = order.special if order is not None else None
            self._away[event.order_id] = Away(
                event.account_id, one.side, event.price_ticks, event.remaining_lots,
                special.options.display_lots if special is not None else 0,
            )  # fmt: skip

    def _decrement(self, event: SelfTradePrevented) -> None:
        lots = event.decremented_lots
        self._touched[event.maker_order_id] = event.account_id
        self._touched[event.taker_order_id] = event.account_id
        if event.maker_order_id not in self._standing:
            self._rest(event.maker_order_id)
        self._away[event.taker_order_id].open_lots -= lots
        maker = self._standing[event.maker_order_id]
        if lots < maker.shown_lots + maker.reserve_lots:  # else it is canceled next
            self._shrink(maker, maker.hide(lots))

    # -- what the story left out --------------------------------------------------------------

    def _reconcile(self) -> None:
        orders = {id: self._order(id, account) for id, account in self._touched.items()}
        recorded = {
            order_id: one
            for order_id in orders
            if (one := self._standing.get(order_id) or self._leaving.get(order_id)) is not None
        }
        rests = {id: order for id, order in orders.items() if order and order.level is not None}
        reconcile(self._emission, recorded, rests)
        self._set_off = {}
        for order_id, order in orders.items():
            self._standing.pop(order_id, None)
            self._away.pop(order_id, None)
            if order is None:
                continue
            if order.level is not None:
                self._standing[order_id] = standing_of(order)
                continue
            self._away[order_id] = away_of(order)
            if order.special is not None and order.special.stage is Stage.SET_OFF:
                self._set_off[order_id] = order.account.account_id
        self._leaving.clear()
        self._fresh_count = 0

    def _order(self, order_id: int, account_id: int) -> Order | None:
        return self._engine.accounts[account_id].orders.get(order_id)

    def _learn_the_others(self) -> None:
        for account in self._engine.accounts.values():
            for order_id, order in account.orders.items():
                if order.book is not self._book or order.level is not None:
                    continue
                self._away[order_id] = away_of(order)
                if order.special is not None and order.special.stage is Stage.SET_OFF:
                    self._set_off[order_id] = account.account_id

    # -- records ------------------------------------------------------------------------------

    def _emit_add(self, one: Standing) -> None:
        self._fresh_count += 1
        one.priority, one.place = 0, self._fresh_count
        self._standing[one.order_id] = one
        self._emission.add(one.order_id, one.side, one.price_ticks, one.shown_lots)

    def _emit_cancel(self, one: Standing) -> None:
        self._emission.cancel(one.order_id, one.side, one.price_ticks, one.shown_lots)


def _continues(last: Trade, trade: Trade) -> bool:
    """Whether both fills are of one taker at one price, and belong into one T."""
    return (
        not trade.in_auction
        and not last.in_auction
        and last.taker_order_id == trade.taker_order_id
        and last.price_ticks == trade.price_ticks
        and last.maker_order_id != trade.maker_order_id
    )


def _orders(side: Iterable[Iterable[Order]]) -> Iterable[Order]:
    return (order for level in side for order in level)
