"""Order entry: a new order is refused, or accepted and sent into its book.

The plain path comes first and is kept short; ``special.py`` prepares everything else.
"""

from orderbook.core.accounts import Account
from orderbook.core.book import Book
from orderbook.core.commands import PlaceOrder
from orderbook.core.errors import InvariantBroken
from orderbook.core.events import Event, OrderAccepted
from orderbook.core.lifecycle import Lifecycle
from orderbook.core.liquidity import fills_whole
from orderbook.core.matching import Matcher, market_limit_ticks
from orderbook.core.order import Order
from orderbook.core.units import (
    CancelReason,
    InstrumentStatus,
    OrderType,
    SelfTradePrevention,
    Side,
    TimeInForce,
)
from orderbook.core.venue import Venue

# Reading an enumeration's member costs ten times as much as a constant.
_BUY = Side.BUY
_LIMIT = OrderType.LIMIT
_IOC = TimeInForce.IOC
_FOK = TimeInForce.FOK
_TRADING = InstrumentStatus.TRADING


class OrderEntry:
    __slots__ = ("_lifecycle", "_matcher", "_venue")

    def __init__(self, venue: Venue, lifecycle: Lifecycle, matcher: Matcher) -> None:
        self._venue = venue
        self._lifecycle = lifecycle
        self._matcher = matcher

    def accept(self, command: PlaceOrder, book: Book, account: Account) -> Order:
        """Gives an order its id. Nothing is held yet, and no event is written."""
        venue = self._venue
        order_id = venue.next_order_id
        venue.next_order_id = order_id + 1
        client_order_id = command.client_order_id
        if client_order_id:
            account.client_order_ids[client_order_id] = order_id
        instrument = book.instrument
        side = command.side
        return Order(
            order_id,
            account,
            book,
            account.balance(instrument.quote if side is _BUY else instrument.base),
            side,
            command.price_ticks,
            command.quantity_lots,
            client_order_id,
        )

    def place_plain(
        self, command: PlaceOrder, book: Book, account: Account, events: list[Event]
    ) -> None:
        """Executes an order without options that ``refuse_order`` let pass."""
        order = self.accept(command, book, account)
        events.append(
            OrderAccepted(
                order.order_id,
                command.account_id,
                command.symbol,
                command.side,
                command.type,
                command.time_in_force,
                command.price_ticks,
                command.quantity_lots,
                command.client_order_id,
            )
        )
        self.execute(order, command.type, command.time_in_force, account.self_trade, events)

    def execute(
        self,
        order: Order,
        type: OrderType,
        time_in_force: TimeInForce,
        rule: SelfTradePrevention,
        events: list[Event],
    ) -> None:
        """Sends an order that holds nothing into its book: fills it, then rests or ends it.

        ``type``: LIMIT or MARKET, which is what a stop has become by now.
        """
        book = order.book
        if type is _LIMIT:
            limit_ticks, remainder = order.price_ticks, CancelReason.IOC_REMAINDER
        else:
            limit_ticks = order.price_ticks or market_limit_ticks(order.side)
            remainder = CancelReason.MARKET_REMAINDER
        ended: CancelReason | None = None
        if book.instrument.status is _TRADING:
            if time_in_force is _FOK and not fills_whole(
                book, order.side, limit_ticks, order.remaining_lots, order.account, rule
            ):
                ended = CancelReason.FOK_UNFILLABLE
            else:
                ended = self._matcher.match(order, limit_ticks, rule, events)
        if ended is not None:
            self._lifecycle.end(order, ended, events)
        elif not order.remaining_lots:
            self._lifecycle.forget(order)
        elif type is _LIMIT and time_in_force is not _IOC and time_in_force is not _FOK:
            self.rest(order)
        else:
            self._lifecycle.end(order, remainder, events)

    def rest(self, order: Order) -> None:
        """Puts an order into its book and holds what it needs."""
        special = order.special
        if special is not None:
            display_lots = special.options.display_lots
            if display_lots and order.remaining_lots > display_lots:
                special.reserve_lots = order.remaining_lots - display_lots
                order.remaining_lots = display_lots
        book = order.book
        book.rest(order)
        self._venue.ledger.hold(order.funds, order.held_minor())
        order.account.orders[order.order_id] = order
        bid, ask = book.bids.best, book.asks.best
        if (
            bid is not None
            and ask is not None
            and bid.price_ticks >= ask.price_ticks
            and book.instrument.status is _TRADING
        ):
            raise InvariantBroken("I6", f"{book.instrument.symbol} is crossed or locked")
