"""Matching: an incoming order against the other side, by price, then time.

Trades print at the resting order's price. A taker pays from its available balance, fill by fill;
only what then rests is held, so a buyer's price improvement never leaves its available balance.
"""

from orderbook.core.accounts import Account
from orderbook.core.events import Event, IcebergRefreshed, Trade
from orderbook.core.fees import FeeSchedule
from orderbook.core.lifecycle import Lifecycle
from orderbook.core.order import Fill, Order, Special
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
        """Fills ``taker`` as far as its limit and the other side allow; the rest stays on it. Names
        the reason where it must stop although it could trade on."""
        book, venue = taker.book, self._venue
        other, limit_key = (
            (book.asks, limit_ticks) if taker.side is _BUY else (book.bids, -limit_ticks)
        )
        own = None if rule is _ANYBODY else taker.account
        first_trade_id = venue.next_trade_id
        end_trade_id = first_trade_id + MAX_FILLS
        if end_trade_id > venue.end_trade_id:
            end_trade_id = venue.end_trade_id
        ended: CancelReason | None = None
        fills: list[Fill] = []  # those that are not settled yet
        level = other.best
        while level is not None and level.key <= limit_key and taker.remaining_lots:
            most = end_trade_id - venue.next_trade_id - len(fills)
            taker.remaining_lots = other.take(level, taker.remaining_lots, most, own, fills)
            maker = level.first
            if maker is not None and taker.remaining_lots:
                if fills:
                    self._settle(taker, fills, events)
                    fills = []
                if venue.next_trade_id >= end_trade_id:
                    ended = CancelReason.FILL_LIMIT
                elif maker.account is own:
                    ended = prevent(self._lifecycle, taker, maker, rule, events)
                else:
                    self._fill_special(taker, maker, events)
                if ended is not None:
                    break
            level = other.best
        if fills:
            self._settle(taker, fills, events)
        if book.waiting is not None and venue.next_trade_id != first_trade_id:
            venue.traded_books.append(book)
        return ended

    def _fill_special(self, taker: Order, maker: Order, events: list[Event]) -> None:
        """Fills from what a maker that is not plain shows."""
        special = maker.special
        assert special is not None
        lots = min(maker.remaining_lots, taker.remaining_lots)
        taker.remaining_lots -= lots
        self._settle(taker, [(maker, lots)], events)
        self._note_fill(maker, special, events)
        if lots < maker.remaining_lots:
            maker.book.reduce(maker, lots)
            return
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

    def _settle(self, taker: Order, fills: list[Fill], events: list[Event]) -> None:
        """Moves the money of the fills, the taker's part in one sum, and records them."""
        book, account, venue = taker.book, taker.account, self._venue
        symbol, base, quote, schedule = book.symbol, book.base, book.quote, book.fees
        lot_minor, tick_lot_minor, ledger = book.lot_minor, book.tick_lot_minor, venue.ledger
        taker_id, account_id, side = taker.order_id, account.account_id, taker.side
        paid, trade_id = quote if side is _BUY else base, venue.next_trade_id
        paid_minor = received_minor = taker_fees_minor = maker_fees_minor = rebate_minor = 0
        for maker, lots in fills:
            price_ticks, other = maker.price_ticks, maker.account
            base_minor = gets_minor = lots * lot_minor
            quote_minor = gives_minor = lots * price_ticks * tick_lot_minor
            if side is _BUY:
                gets_minor, gives_minor = quote_minor, base_minor  # the maker
            if schedule is None:
                taker_fee_minor = -(-gives_minor * book.taker_fee_ppm // PPM)
                maker_fee_minor = -(-gets_minor * book.maker_fee_ppm // PPM)
            else:
                taker_fee_minor, maker_fee_minor, rebate_minor = self._charge(
                    schedule, account, maker, gives_minor, gets_minor, quote_minor
                )
            income = other.balances.get(paid) or other.balance(paid)
            ledger.swap_held(maker.funds, income, gives_minor, gets_minor - maker_fee_minor)
            paid_minor += gets_minor
            received_minor += gives_minor
            taker_fees_minor += taker_fee_minor
            maker_fees_minor += maker_fee_minor
            trade = Trade(
                trade_id, symbol, base, quote, price_ticks, lots, base_minor, quote_minor,
                maker.order_id, other.account_id, maker_fee_minor,
                taker_id, account_id, taker_fee_minor, side, rebate_minor,
            )  # fmt: skip
            events.append(trade)
            trade_id += 1
            if maker.level is None:  # nothing is left of it
                del other.orders[maker.order_id]
                if maker.client_order_id:
                    venue.registry.finish_client_order_id(other, maker.client_order_id)
        venue.next_trade_id, book.last_ticks = trade_id, price_ticks
        self._book(taker, paid_minor, received_minor, taker_fees_minor, maker_fees_minor)

    def _charge(
        self,
        schedule: FeeSchedule,
        taker: Account,
        maker: Order,
        to_taker_minor: int,
        to_maker_minor: int,
        quote_minor: int,
    ) -> tuple[int, int, int]:
        """A fill's fees by a schedule. A rebate is booked here, the fees with those of the other
        fills; only then has the venue's account got what the rebate is paid out of."""
        venue, payer = self._venue, maker.funds
        day = venue.time_ns // DAY_NS
        fees = schedule.charge(
            taker, maker.account, to_taker_minor, to_maker_minor, quote_minor, day
        )
        rebate_minor = fees[2]
        if rebate_minor:
            venue.ledger.credit(payer, rebate_minor)
            venue.ledger.credit(venue.accounts[FEE_ACCOUNT_ID].balance(payer.asset), -rebate_minor)
        return fees

    def _book(
        self,
        taker: Order,
        paid_minor: int,
        received_minor: int,
        taker_fees_minor: int,
        maker_fees_minor: int,
    ) -> None:
        """The taker's money, and the venue's fees."""
        ledger, book, account = self._venue.ledger, taker.book, taker.account
        venue_account = self._venue.accounts[FEE_ACCOUNT_ID]
        received = book.base if taker.side is _BUY else book.quote
        income = account.balances.get(received) or account.balance(received)
        ledger.swap(taker.funds, income, paid_minor, received_minor - taker_fees_minor)
        if taker_fees_minor:
            fees = venue_account.balances.get(received) or venue_account.balance(received)
            ledger.credit(fees, taker_fees_minor)
        if maker_fees_minor:
            paid = taker.funds.asset
            fees = venue_account.balances.get(paid) or venue_account.balance(paid)
            ledger.credit(fees, maker_fees_minor)
