"""Matching: an incoming order against the other side, by price, then time.

Trades print at the resting order's price. A taker pays from its available balance, fill by fill;
only what then rests is held, so a buyer's price improvement never leaves its available balance.
"""

from orderbook.core.accounts import Accounts
from orderbook.core.balances import Ledger
from orderbook.core.book import Book, Order
from orderbook.core.events import Event, Trade
from orderbook.core.fees import fee_minor
from orderbook.core.units import FEE_ACCOUNT_ID, MAX_FILLS, MAX_PRICE_TICKS, Side

_BUY = Side.BUY  # reading an enumeration's member costs ten times as much as a constant


def market_limit_ticks(side: Side) -> int:
    """The price limit that keeps a market order from no trade."""
    return MAX_PRICE_TICKS if side is _BUY else 0


def walk(book: Book, side: Side, limit_ticks: int, quantity_lots: int) -> tuple[int, int]:
    """(lots that an order could fill now, price ticks x lots that they would come to)."""
    other, limit_key = (book.asks, limit_ticks) if side is _BUY else (book.bids, -limit_ticks)
    fillable_lots = 0
    cost_tick_lots = 0
    for level in other:
        if level.key > limit_key or fillable_lots == quantity_lots:
            break
        lots = min(level.quantity_lots, quantity_lots - fillable_lots)
        fillable_lots += lots
        cost_tick_lots += lots * level.price_ticks
    return fillable_lots, cost_tick_lots


def takes_too_many(book: Book, side: Side, quantity_lots: int) -> bool:
    """Whether filling the quantity, which the book can, would take more than MAX_FILLS trades."""
    fills = 0
    for level in book.asks if side is _BUY else book.bids:
        if level.quantity_lots > quantity_lots:
            for order in level:
                if quantity_lots <= 0:
                    break
                quantity_lots -= order.remaining_lots
                fills += 1
            break
        quantity_lots -= level.quantity_lots
        fills += level.order_count
        if not quantity_lots:
            break
    return fills > MAX_FILLS


class Matcher:
    """Fills takers and settles every fill at once. Owns the count of trades."""

    __slots__ = ("_accounts", "_ledger", "next_trade_id")

    def __init__(self, accounts: Accounts, ledger: Ledger) -> None:
        self._accounts = accounts
        self._ledger = ledger
        self.next_trade_id = 1

    def match(self, taker: Order, limit_ticks: int, events: list[Event]) -> bool:
        """Fills ``taker`` as far as its limit and the other side allow; the rest stays on it.

        True where it could trade on, but has made MAX_FILLS trades.
        """
        book = taker.book
        other, limit_key = (
            (book.asks, limit_ticks) if taker.side is _BUY else (book.bids, -limit_ticks)
        )
        remaining_lots = taker.remaining_lots
        level = other.best
        last_trade_id = self.next_trade_id + MAX_FILLS
        while remaining_lots and level is not None and level.key <= limit_key:
            if self.next_trade_id == last_trade_id:
                taker.remaining_lots = remaining_lots
                return True
            maker = level.first
            assert maker is not None
            maker_lots = maker.remaining_lots
            if maker_lots <= remaining_lots:
                remaining_lots -= maker_lots
                self._settle(taker, maker, maker_lots, events)
                self._finish(maker)
                level = other.best
            else:
                self._settle(taker, maker, remaining_lots, events)
                book.reduce(maker, remaining_lots)
                remaining_lots = 0
        taker.remaining_lots = remaining_lots
        return False

    def _finish(self, maker: Order) -> None:
        maker.book.remove(maker)
        account = maker.account
        del account.orders[maker.order_id]
        if maker.client_order_id:
            self._accounts.finish_client_order_id(account, maker.client_order_id)

    def _settle(self, taker: Order, maker: Order, lots: int, events: list[Event]) -> None:
        """Moves the money of one fill and records it."""
        instrument = maker.book.instrument
        base, quote = instrument.base, instrument.quote
        base_minor = lots * instrument.lot_minor
        quote_minor = maker.price_ticks * lots * instrument.tick_lot_minor
        if taker.side is _BUY:
            paid_minor, received_minor, received = quote_minor, base_minor, base
            maker_received = quote
        else:
            paid_minor, received_minor, received = base_minor, quote_minor, quote
            maker_received = base
        taker_fee_minor = fee_minor(received_minor, instrument.taker_fee_ppm)
        maker_fee_minor = fee_minor(paid_minor, instrument.maker_fee_ppm)
        ledger = self._ledger
        ledger.debit(taker.funds, paid_minor)
        ledger.debit_held(maker.funds, received_minor)
        ledger.credit(taker.account.balance(received), received_minor - taker_fee_minor)
        ledger.credit(maker.account.balance(maker_received), paid_minor - maker_fee_minor)
        fee_account = self._accounts.by_id[FEE_ACCOUNT_ID]
        if taker_fee_minor:
            ledger.credit(fee_account.balance(received), taker_fee_minor)
        if maker_fee_minor:
            ledger.credit(fee_account.balance(maker_received), maker_fee_minor)
        trade_id = self.next_trade_id
        self.next_trade_id = trade_id + 1
        events.append(
            Trade(
                trade_id,
                instrument.symbol,
                base,
                quote,
                maker.price_ticks,
                lots,
                base_minor,
                quote_minor,
                maker.order_id,
                maker.account.account_id,
                maker_fee_minor,
                taker.order_id,
                taker.account.account_id,
                taker_fee_minor,
                taker.side,
            )
        )
