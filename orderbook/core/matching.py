"""Matching: an incoming order against the other side, by price, then time.

Trades print at the resting order's price. A taker pays from its available balance, fill by fill;
only what then rests is held, so a buyer's price improvement never leaves its available balance.
"""

from orderbook.core.events import Event, IcebergRefreshed, Trade
from orderbook.core.lifecycle import Lifecycle
from orderbook.core.order import Order, Special
from orderbook.core.self_trade import prevent
from orderbook.core.units import (
    DAY_NS,
    FEE_ACCOUNT_ID,
    MAX_FILLS,
    MAX_PRICE_TICKS,
    PPM,
    CancelReason,
    SelfTradePrevention,
    Side,
)
from orderbook.core.venue import Venue

_BUY = Side.BUY  # reading an enumeration's member costs ten times as much as a constant
_ANYBODY = SelfTradePrevention.NONE


def market_limit_ticks(side: Side) -> int:
    """The price limit that keeps a market order from no trade."""
    return MAX_PRICE_TICKS if side is _BUY else 0


class Matcher:
    """Fills takers and settles every fill at once."""

    __slots__ = ("_lifecycle", "_venue")

    def __init__(self, venue: Venue, lifecycle: Lifecycle) -> None:
        self._venue = venue
        self._lifecycle = lifecycle

    def match(
        self, taker: Order, limit_ticks: int, rule: SelfTradePrevention, events: list[Event]
    ) -> CancelReason | None:
        """Fills ``taker`` as far as its limit and the other side allow; the rest stays on it.

        Names the reason where it must stop although it could trade on.
        """
        book = taker.book
        other, limit_key = (
            (book.asks, limit_ticks) if taker.side is _BUY else (book.bids, -limit_ticks)
        )
        own = None if rule is _ANYBODY else taker.account
        venue = self._venue
        first_trade_id = venue.next_trade_id
        end_trade_id = first_trade_id + MAX_FILLS
        if end_trade_id > venue.end_trade_id:
            end_trade_id = venue.end_trade_id
        ended: CancelReason | None = None
        level = other.best
        while level is not None and level.key <= limit_key and taker.remaining_lots:
            maker = level.first
            assert maker is not None
            if venue.next_trade_id >= end_trade_id:
                ended = CancelReason.FILL_LIMIT
                break
            if maker.account is own:
                ended = prevent(self._lifecycle, taker, maker, rule, events)
                if ended is not None:
                    break
                level = other.best
                continue
            lots = maker.remaining_lots
            if lots <= taker.remaining_lots:
                self._settle(taker, maker, lots, events)
                taker.remaining_lots -= lots
                if maker.special is None:
                    self._lifecycle.fill_maker(maker)
                else:
                    self._exhaust(maker, maker.special, events)
                level = other.best
            else:
                lots = taker.remaining_lots
                self._settle(taker, maker, lots, events)
                taker.remaining_lots = 0
                book.reduce(maker, lots)
                if maker.special is not None:
                    self._note_fill(maker, maker.special, events)
            book.last_ticks = maker.price_ticks
        if book.waiting is not None and venue.next_trade_id != first_trade_id:
            venue.traded_books.append(book)
        return ended

    def _exhaust(self, maker: Order, special: Special, events: list[Event]) -> None:
        """All that a maker which is not plain showed was filled and its money is settled."""
        self._note_fill(maker, special, events)
        if not special.reserve_lots:
            self._lifecycle.fill_maker(maker)
            return
        maker.book.refresh(maker)
        events.append(
            IcebergRefreshed(
                maker.order_id,
                maker.account.account_id,
                maker.book.instrument.symbol,
                maker.remaining_lots,
            )
        )

    def _note_fill(self, maker: Order, special: Special, events: list[Event]) -> None:
        """Tells a maker's list of the trade that is the last event."""
        if special.order_list is not None:
            trade = events[-1]
            assert isinstance(trade, Trade)
            self._lifecycle.note_fill(maker, special.order_list, trade)

    def _settle(self, taker: Order, maker: Order, lots: int, events: list[Event]) -> None:
        """Moves the money of one fill and records it."""
        book = maker.book
        price_ticks, taker_side = maker.price_ticks, taker.side
        base, quote = book.base, book.quote
        base_minor = lots * book.lot_minor
        quote_minor = price_ticks * lots * book.tick_lot_minor
        if taker_side is _BUY:
            paid_minor, paid, received_minor, received = quote_minor, quote, base_minor, base
        else:
            paid_minor, paid, received_minor, received = base_minor, base, quote_minor, quote
        venue, taker_account, maker_account = self._venue, taker.account, maker.account
        rebate_minor = 0
        fees = book.fees
        if fees is None:
            taker_fee_minor = -(-received_minor * book.taker_fee_ppm // PPM)
            maker_fee_minor = -(-paid_minor * book.maker_fee_ppm // PPM)
        else:
            taker_fee_minor, maker_fee_minor, rebate_minor = fees.charge(
                taker_account,
                maker_account,
                received_minor,
                paid_minor,
                quote_minor,
                venue.time_ns // DAY_NS,
            )
        ledger = venue.ledger
        ledger.pay(
            taker.funds, maker_account.balance(paid), paid_minor, paid_minor - maker_fee_minor
        )
        ledger.pay_held(
            maker.funds,
            taker_account.balance(received),
            received_minor,
            received_minor - taker_fee_minor,
        )
        fee_account = venue.registry.by_id[FEE_ACCOUNT_ID]
        if taker_fee_minor:
            ledger.credit(fee_account.balance(received), taker_fee_minor - rebate_minor)
        if maker_fee_minor:
            ledger.credit(fee_account.balance(paid), maker_fee_minor)
        if rebate_minor:
            ledger.credit(maker_account.balance(received), rebate_minor)
        trade_id = venue.next_trade_id
        venue.next_trade_id = trade_id + 1
        events.append(
            Trade(
                trade_id,
                book.symbol,
                base,
                quote,
                price_ticks,
                lots,
                base_minor,
                quote_minor,
                maker.order_id,
                maker_account.account_id,
                maker_fee_minor,
                taker.order_id,
                taker_account.account_id,
                taker_fee_minor,
                taker_side,
                rebate_minor,
            )
        )
