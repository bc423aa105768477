"""What follows from a command: lists settle, waiting orders are set off, trailing stops move.

Runs once the order that caused it is done, never in the midst of its fills. First the lists that
were touched settle. Then each book that traded is looked at, trade by trade, because a sweep may
begin beyond a stop price and end short of it: trailing stops follow the price, and the waiting
orders that it sets off leave their queue for the venue's agenda, those that a rising price sets off
first. Then comes the agenda, one step after another, and all of this happens anew after each of
them: brackets whose entry is done arm their exits, which stands before everything else, and the
orders that were set off go to their books. What that sets off goes to the agenda's end. So nothing
recurses.

A market order cannot wait in a book. One whose turn comes after an order before it began a
volatility auction waits for its stop price again, and is looked at as trading begins.

One command does at most MAX_TRIGGERS steps of the agenda, and none after MAX_COMMAND_TRADES trades.
The rest goes on with ``AdvanceTime``, which is then due at once.
"""

from collections.abc import Iterator
from typing import Final

from orderbook.core.book import Book
from orderbook.core.events import Event, OrderTriggered, StopMoved, Trade
from orderbook.core.lifecycle import Lifecycle
from orderbook.core.liquidity import passed_over, walk
from orderbook.core.lists import Lists, order_armed
from orderbook.core.matching import market_limit_ticks
from orderbook.core.order import Order, OrderList, Special, Stage
from orderbook.core.special import EXECUTED_AS, SpecialEntry
from orderbook.core.units import (
    MAX_COMMAND_TRADES,
    MAX_ID,
    MAX_TRIGGERS,
    CancelReason,
    InstrumentStatus,
    OrderType,
    Side,
)
from orderbook.core.venue import Venue

_TRADING: Final = InstrumentStatus.TRADING


class Triggers:
    __slots__ = ("_first_trade_id", "_lifecycle", "_lists", "_moved", "_special", "_venue")

    def __init__(
        self, venue: Venue, lifecycle: Lifecycle, special: SpecialEntry, lists: Lists
    ) -> None:
        self._venue = venue
        self._lifecycle = lifecycle
        self._special = special
        self._lists = lists
        self._moved: dict[int, Order] = {}
        """Trailing stops that moved in the running command, by id, until an event says so."""
        self._first_trade_id = 0
        """The first trade that is yet to be looked at."""

    def run(self, events: list[Event]) -> None:
        """Does what follows from what has happened, and what is on the agenda. ``events``: those of
        the running command, of a batch's command where it has several."""
        venue = self._venue
        agenda = venue.agenda
        batch_end_id = venue.end_trade_id
        end_trade_id = min(batch_end_id, venue.next_trade_id + MAX_COMMAND_TRADES)
        venue.end_trade_id = MAX_ID  # no other account's order pays for what a batch has traded
        steps = seen = 0
        while True:
            self._lists.settle(events)
            seen = self._look_at_prices(events, seen)
            ends = steps >= MAX_TRIGGERS or venue.next_trade_id >= end_trade_id
            if not agenda or ends or self.waits_for_uncross():
                break
            steps += 1
            item = agenda.popleft()
            if isinstance(item, OrderList):
                self._lists.arm(item, events)
            else:
                self._execute(item, events)
        venue.end_trade_id = batch_end_id
        for order_id, order in sorted(self._moved.items()):
            if order_id in order.account.orders:  # else it was canceled meanwhile
                events.append(stop_moved(order))
        self._moved.clear()

    def waits_for_uncross(self) -> bool:
        """Whether what comes next on the agenda must wait: an exit of a bracket must not join an
        uncross that is under way."""
        item = self._venue.agenda[0]
        if not isinstance(item, OrderList):
            return False
        auction = item.orders[0].book.auction
        return auction is not None and auction.price_ticks != 0

    def _look_at_prices(self, events: list[Event], seen: int) -> int:
        """Looks at the trades among the events from this place on; gives where they end."""
        venue = self._venue
        books, first_trade_id = venue.traded_books, self._first_trade_id
        self._first_trade_id = venue.next_trade_id
        end = len(events)
        if books:
            trades = [
                event
                for event in events[seen:]
                if type(event) is Trade and event.trade_id >= first_trade_id
            ]
            for book in dict.fromkeys(books):
                if book.instrument.status is _TRADING and book.last_ticks:
                    prices = [trade.price_ticks for trade in trades if trade.symbol == book.symbol]
                    self._look_at(book, prices, events)
            books.clear()
        return end

    def _look_at(self, book: Book, prices: list[int], events: list[Event]) -> None:
        """Moves a book's trailing stops and sets off what its trades, then its last one, set off.
        What began to wait after its trades has the last one to answer to only.

        Trailing stops move where the prices turn, and not at each of a sweep's: those in between
        move them on the way to the same place, and set none of them off.
        """
        waiting = book.waiting
        assert waiting is not None
        for price_ticks, turns in turning([*prices, book.last_ticks]):
            if turns:
                for order in waiting.follow(price_ticks):
                    self._moved[order.order_id] = order
            order_or_none = waiting.pop_set_off(price_ticks)
            while order_or_none is not None:
                self._set_off(order_or_none, price_ticks, events)
                order_or_none = waiting.pop_set_off(price_ticks)

    def _set_off(self, order: Order, last_ticks: int, events: list[Event]) -> None:
        if self._moved.pop(order.order_id, None) is not None:
            events.append(stop_moved(order))
        special = order.special
        assert special is not None
        special.stage = Stage.SET_OFF
        self._venue.agenda.append(order)
        events.append(
            OrderTriggered(
                order.order_id,
                order.account.account_id,
                order.book.instrument.symbol,
                last_ticks,
            )
        )
        if special.order_list is not None:
            self._lists.let_go(special.order_list, order, events)

    def _execute(self, order: Order, events: list[Event]) -> None:
        """Sends an order that was set off to its book. It keeps its place among its account's
        orders until it is done."""
        special = order.special
        assert special is not None
        if (
            order.book.instrument.status is not _TRADING
            and EXECUTED_AS[special.type] is OrderType.MARKET
        ):
            self._wait_again(order, special, events)
            return
        held_minor = order.held_minor()
        if held_minor:
            self._venue.ledger.release(order.funds, held_minor)
        special.stage = Stage.TAKING
        reason = _refuse(order, special)
        if reason is not None:
            self._lifecycle.end(order, reason, events)
        else:
            self._special.execute(order, events)
        if order.level is None:
            del order.account.orders[order.order_id]

    def _wait_again(self, order: Order, special: Special, events: list[Event]) -> None:
        special.stage = Stage.WAITING
        order.book.waiting_orders().add(order)
        events.append(order_armed(order))


def _refuse(order: Order, special: Special) -> CancelReason | None:
    """Why what has become a market order cannot trade at all."""
    book, side = order.book, order.side
    if EXECUTED_AS[special.type] is OrderType.LIMIT:
        return None
    limit_ticks = order.price_ticks or market_limit_ticks(side)
    rule = special.options.self_trade
    assert rule is not None
    gone = passed_over(order.account, rule)
    fillable_lots, cost_tick_lots = walk(book, side, limit_ticks, order.remaining_lots, gone)
    if not fillable_lots:
        return CancelReason.NO_LIQUIDITY
    cost_minor = cost_tick_lots * book.instrument.tick_lot_minor
    if side is Side.BUY and order.funds.available_minor < cost_minor:
        return CancelReason.INSUFFICIENT_BALANCE
    return None


def turning(prices: list[int]) -> Iterator[tuple[int, bool]]:
    """Each price but repeats of the one before it, and whether the way of the prices begins, turns
    or ends there."""
    way = [price for price, before in zip(prices, [0, *prices], strict=False) if price != before]
    for place, price in enumerate(way):
        is_inside = 0 < place < len(way) - 1
        yield (
            price,
            not is_inside or (way[place - 1] < price) is not (price < way[place + 1]),
        )


def stop_moved(order: Order) -> StopMoved:
    special = order.special
    assert special is not None
    return StopMoved(
        order.order_id,
        order.account.account_id,
        order.book.instrument.symbol,
        special.stop_ticks,
    )
