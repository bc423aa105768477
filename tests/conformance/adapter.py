"""The engine behind the protocol of ``tracebook-conformance``: NDJSON over standard streams.

A thin translation. Decimal prices and quantities become ticks and lots; the source's order ids are
its own, so the adapter maps them. Every owner is an account with more money than any trace spends.

- ``reduce`` is an amend to a smaller quantity, which keeps its place, or a cancel of all of it.
- ``replace`` is an atomic cancel-replace; its quantity is what the new order asks for.
- ``clear`` is an operator's mass cancel of everybody's orders.
- The engine refuses a market order that finds nobody to trade with. In the suite it is accepted
  and trades nothing, which leaves the same book: that refusal counts as applied.

Run: ``python -m tests.conformance.adapter`` (started by ``tracebook-conformance``).
"""

import sys
from decimal import ROUND_HALF_EVEN, Decimal

from tracebook.conformance.model import (
    BookSnapshot,
    BookState,
    ConformanceConfig,
    EngineMetadata,
    Observation,
    Outcome,
    RestingOrder,
    TradeFill,
    canonical_decimal,
)
from tracebook.conformance.protocol import serve_stdio
from tracebook.core.order import NO_OWNER, OrderSide, SelfTradePolicy
from tracebook.core.order import OrderType as SourceType
from tracebook.events import MarketEvent

from orderbook.core.book import BookSide
from orderbook.core.commands import (
    AmendOrder,
    CancelAllOrders,
    CancelOrder,
    Command,
    DefineAsset,
    DefineInstrument,
    Deposit,
    OpenEpoch,
    PlaceOrder,
    ReplaceOrder,
    SetAccountLimits,
)
from orderbook.core.engine import Engine
from orderbook.core.events import (
    AmendRejected,
    CancelRejected,
    Event,
    OrderAccepted,
    OrderRejected,
    Trade,
)
from orderbook.core.invariants import check
from orderbook.core.order import Order
from orderbook.core.rejects import RejectReason
from orderbook.core.units import (
    MAX_QUANTITY_LOTS,
    OrderType,
    SelfTradePrevention,
    Side,
    TimeInForce,
)

LOTS_PER_UNIT = 2**24 * 5**3
"""Fine enough for three decimals, and for quantities that a campaign halves again and again."""
FUNDS_MINOR = 10**17
QUOTE = "QUOTE"

TYPES = {
    SourceType.LIMIT: (OrderType.LIMIT, TimeInForce.GTC),
    SourceType.IOC: (OrderType.LIMIT, TimeInForce.IOC),
    SourceType.FOK: (OrderType.LIMIT, TimeInForce.FOK),
    SourceType.MARKET: (OrderType.MARKET, TimeInForce.IOC),
}
SELF_TRADE = {
    SelfTradePolicy.NONE: SelfTradePrevention.NONE,
    SelfTradePolicy.CANCEL_RESTING: SelfTradePrevention.CANCEL_OLDEST,
    SelfTradePolicy.CANCEL_INCOMING: SelfTradePrevention.CANCEL_NEWEST,
}
_REFUSALS = (OrderRejected, AmendRejected, CancelRejected)


class RefusedEvent(Exception):
    """The event was refused, by the adapter or by the engine."""


class RialtoAdapter:
    """One run of the suite: a fresh engine."""

    def __init__(self, config: ConformanceConfig) -> None:
        if config.matching_algorithm != "fifo":
            raise ValueError("the engine matches by price, then time")
        self.metadata = EngineMetadata("rialto", "1", "Python")
        self._decimals = config.quantity_decimal_places
        self._tick_size = Decimal(canonical_decimal(config.tick_size))
        self._rule = SELF_TRADE[config.self_trade_policy]
        self._engine = Engine()
        self._clock = 0
        self._orders: dict[tuple[str, int], Order] = {}
        """By symbol and source id: the last order that had this id."""
        self._source_ids: dict[int, int] = {}
        """Source id by the engine's."""
        for command in (OpenEpoch(1), DefineAsset(QUOTE, 0)):
            self._apply(command)

    def apply(self, event: MarketEvent, index: int) -> Observation:
        trades: list[TradeFill] = []
        outcome = Outcome("applied")
        try:
            trades = [self._fill(trade) for trade in self._execute(event)]
        except RefusedEvent as refused:
            outcome = Outcome("rejected", str(refused))
        check(self._engine)
        state = self.snapshot()
        return Observation(index, outcome, tuple(trades), state.digest(), state.order_count)

    def snapshot(self) -> BookState:
        return BookState(
            tuple(
                BookSnapshot(symbol, self._resting(book.bids), self._resting(book.asks))
                for symbol, book in sorted(self._engine.books.items())
            )
        )

    def close(self) -> None:
        """Nothing is held outside this process."""

    def _execute(self, event: MarketEvent) -> list[Trade]:
        symbol = event.symbol
        if event.op in ("new", "clear"):
            self._define(symbol)
        if event.op == "clear":
            self._apply(CancelAllOrders(0, symbol, by_operator=True))
            return []
        assert event.order_id is not None
        order = self._open_order(symbol, event.order_id)
        if event.op == "new":
            if order is not None:
                raise RefusedEvent("DUPLICATE_ORDER_ID")
            return self._new(event)
        if order is None:
            raise RefusedEvent("ORDER_NOT_ACTIVE")
        account_id = order.account.account_id
        if event.op == "cancel":
            self._apply(CancelOrder(account_id, order.order_id))
            return []
        if event.op == "reduce":
            return self._reduce(order, self._lots(event.quantity))
        return self._replace(event, order)

    def _new(self, event: MarketEvent) -> list[Trade]:
        type, time_in_force = TYPES[event.order_type]
        assert event.side is not None
        command = PlaceOrder(
            self._account_id(event.owner),
            event.symbol,
            Side.BUY if event.side is OrderSide.BUY else Side.SELL,
            type,
            time_in_force,
            0 if type is OrderType.MARKET else self._ticks(event.price),
            self._lots(event.quantity),
        )
        return self._place(command, event, "INVALID_ORDER")

    def _reduce(self, order: Order, lots: int) -> list[Trade]:
        account_id = order.account.account_id
        if lots == order.remaining_lots:
            self._apply(CancelOrder(account_id, order.order_id))
            return []
        first, *_ = self._apply(
            AmendOrder(account_id, order.order_id, quantity_lots=order.quantity_lots - lots)
        )
        if isinstance(first, AmendRejected):
            raise RefusedEvent("INVALID_ORDER")
        return []

    def _replace(self, event: MarketEvent, order: Order) -> list[Trade]:
        price_ticks = order.price_ticks if event.price is None else self._ticks(event.price)
        lots = order.remaining_lots if event.quantity is None else self._lots(event.quantity)
        new = PlaceOrder(
            order.account.account_id,
            event.symbol,
            order.side,
            OrderType.LIMIT,
            TimeInForce.GTC,
            price_ticks,
            lots,
        )
        return self._place(ReplaceOrder(order.order_id, new), event, "INVALID_REPLACEMENT")

    def _place(self, command: Command, event: MarketEvent, refusal: str) -> list[Trade]:
        assert event.order_id is not None
        next_id = self._engine.venue.next_order_id
        self._source_ids[next_id] = event.order_id
        events = self._apply(command)
        if isinstance(events[0], _REFUSALS):
            if events[0].reason is RejectReason.NO_LIQUIDITY:
                return []
            raise RefusedEvent(refusal)
        for found in events:
            if isinstance(found, OrderAccepted):
                order = self._engine.accounts[found.account_id].orders.get(found.order_id)
                if order is not None:
                    self._orders[event.symbol, event.order_id] = order
        return [found for found in events if isinstance(found, Trade)]

    def _open_order(self, symbol: str, source_id: int) -> Order | None:
        order = self._orders.get((symbol, source_id))
        if order is None or order.order_id not in order.account.orders:
            return None
        return order

    def _define(self, symbol: str) -> None:
        if symbol in self._engine.books:
            return
        base = f"B{len(self._engine.books)}"
        self._apply(DefineAsset(base, 0))
        self._apply(DefineInstrument(symbol, base, QUOTE, 1, 1, 0, 0, 0, MAX_QUANTITY_LOTS))
        for account_id in self._engine.accounts:
            self._fund(account_id, base)

    def _account_id(self, owner: int) -> int:
        """Anybody's account: owners from 0 on have one each, orders without an owner share one."""
        account_id = 1 if owner == NO_OWNER else owner + 2
        if account_id not in self._engine.accounts:
            for asset in self._engine.assets:
                self._fund(account_id, asset)
            if owner != NO_OWNER:
                self._apply(SetAccountLimits(account_id, self._rule))
        return account_id

    def _fund(self, account_id: int, asset: str) -> None:
        if account_id:
            self._apply(Deposit(account_id, asset, FUNDS_MINOR, ""))

    def _apply(self, command: Command) -> list[Event]:
        self._clock += 1
        return self._engine.apply(command, self._clock)

    def _ticks(self, price: float | None) -> int:
        return int((Decimal(str(price)) / self._tick_size).quantize(Decimal(1), ROUND_HALF_EVEN))

    def _lots(self, quantity: float | None) -> int:
        lots = Decimal(str(quantity)) * LOTS_PER_UNIT
        if lots != int(lots):
            raise RefusedEvent("INVALID_ORDER")
        return int(lots)

    def _price(self, ticks: int) -> str:
        return canonical_decimal(ticks * self._tick_size)

    def _quantity(self, lots: int) -> str:
        return canonical_decimal(Decimal(lots) / LOTS_PER_UNIT, self._decimals)

    def _fill(self, trade: Trade) -> TradeFill:
        maker, taker = (
            self._source_ids[trade.maker_order_id],
            self._source_ids[trade.taker_order_id],
        )
        buyer, seller = (taker, maker) if trade.taker_side is Side.BUY else (maker, taker)
        return TradeFill(
            trade.symbol,
            buyer,
            seller,
            self._price(trade.price_ticks),
            self._quantity(trade.quantity_lots),
        )

    def _resting(self, side: BookSide) -> tuple[RestingOrder, ...]:
        return tuple(
            RestingOrder(
                self._source_ids[order.order_id],
                self._price(order.price_ticks),
                self._quantity(order.remaining_lots),
                NO_OWNER if order.account.account_id == 1 else order.account.account_id - 2,
            )
            for level in side
            for order in level
        )


if __name__ == "__main__":
    sys.exit(serve_stdio(RialtoAdapter))
