"""Matching: an incoming order against the other side, by price, then time.

Trades print at the resting order's price. A taker pays from its available balance, all its fills in
one sum; only what then rests is held, so that a buyer's price improvement stays available.

``Matcher.match`` does what every fill needs in one place, because calls, and what they hand over,
would be half of its time (docs/performance.md). What only some orders need is elsewhere.
"""

from typing import Final

from orderbook.core.accounts import Account
from orderbook.core.balances import negative
from orderbook.core.events import Event, IcebergRefreshed, Trade
from orderbook.core.fees import FeeSchedule
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

_BUY: Final = Side.BUY  # reading an enumeration's member costs ten times as much as a constant
_ANYBODY: Final = SelfTradePrevention.NONE
_ROUND_UP: Final = PPM - 1
_Trade: Final = Trade


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
        venue, book, account, side = self._venue, taker.book, taker.account, taker.side
        if side is _BUY:
            other, limit_key, paid = book.asks, limit_ticks, book.quote
        else:
            other, limit_key, paid = book.bids, -limit_ticks, book.base
        level = other.best
        if level is None or level.key > limit_key:
            return None
        own = None if rule is _ANYBODY else account
        ledger, schedule = venue.ledger, book.fees
        if ledger.traded_assets is not book.assets:
            ledger.trade_in(book.assets)
        traders = ledger.traders
        first_trade_id = trade_id = venue.next_trade_id
        end_trade_id = trade_id + MAX_FILLS
        if end_trade_id > venue.end_trade_id:
            end_trade_id = venue.end_trade_id
        ended: CancelReason | None = None
        paid_minor = received_minor = taker_fees_minor = maker_fees_minor = rebate_minor = 0
        wanted_lots, last_ticks = taker.remaining_lots, book.last_ticks
        while wanted_lots and ended is None and level is not None and level.key <= limit_key:
            price_ticks, maker = level.price_ticks, level.first
            while maker is not None and wanted_lots:
                payee = maker.account
                if trade_id >= end_trade_id:
                    ended = CancelReason.FILL_LIMIT
                    break
                if payee is own:
                    taker.remaining_lots = wanted_lots
                    ended = prevent(self._lifecycle, taker, maker, rule, events)
                    wanted_lots = taker.remaining_lots
                    if ended is not None:
                        break
                    maker = level.first
                    continue
                lots = maker.remaining_lots
                if lots > wanted_lots:
                    lots = wanted_lots
                base_minor = lots * book.lot_minor
                quote_minor = lots * level.lot_notional_minor
                if side is _BUY:
                    gives_minor, gets_minor = base_minor, quote_minor  # the maker
                else:
                    gives_minor, gets_minor = quote_minor, base_minor
                if schedule is None:
                    taker_fee_minor = (gives_minor * book.taker_fee_ppm + _ROUND_UP) // PPM
                    maker_fee_minor = (gets_minor * book.maker_fee_ppm + _ROUND_UP) // PPM
                else:
                    taker_fee_minor, maker_fee_minor, rebate_minor = self._charge(
                        schedule, account, maker, gives_minor, gets_minor, quote_minor
                    )
                funds = maker.funds
                try:
                    income = payee.balances[paid]
                except KeyError:
                    income = payee.balance(paid)
                held_minor = funds.held_minor - gives_minor
                if held_minor < 0:
                    raise negative(funds, "held", held_minor)
                funds.held_minor = held_minor
                income.available_minor += gets_minor - maker_fee_minor
                traders[payee.account_id] = payee.balances
                paid_minor += gets_minor
                received_minor += gives_minor
                taker_fees_minor += taker_fee_minor
                maker_fees_minor += maker_fee_minor
                wanted_lots -= lots
                trade = _Trade(
                    trade_id, book.symbol, book.base, book.quote, price_ticks, lots,
                    base_minor, quote_minor, maker.order_id, payee.account_id, maker_fee_minor,
                    taker.order_id, account.account_id, taker_fee_minor, side, rebate_minor,
                )  # fmt: skip
                events.append(trade)
                trade_id += 1
                last_ticks = price_ticks
                if maker.special is not None:
                    self._reduce_special(maker, maker.special, lots, trade, events)
                    maker = level.first
                    continue
                level.quantity_lots -= lots
                book.update_id += 1
                if not level.is_changed:
                    other.note_change(level)
                if lots != maker.remaining_lots:
                    maker.remaining_lots -= lots
                    break
                level.order_count -= 1
                maker.level = None
                del payee.orders[maker.order_id]
                if maker.client_order_id:
                    venue.registry.finish_client_order_id(payee, maker.client_order_id)
                maker = level.first = maker.following
                if maker is not None:
                    maker.preceding = None
                else:
                    level.last = None
                    other.vacate(level)
            level = other.best
        taker.remaining_lots = wanted_lots
        if trade_id == first_trade_id:
            return ended
        venue.next_trade_id = trade_id
        book.last_ticks = last_ticks
        if book.waiting is not None:
            venue.traded_books.append(book)
        # The taker's money, and the venue's fees.
        received = book.base if side is _BUY else book.quote
        funds, income = taker.funds, account.balances.get(received) or account.balance(received)
        available_minor = funds.available_minor - paid_minor
        if available_minor < 0:
            raise negative(funds, "available", available_minor)
        funds.available_minor = available_minor
        income.available_minor += received_minor - taker_fees_minor
        traders[account.account_id] = account.balances
        fees = venue.fee_account.balances
        # As a trader where both of its balances change, and it has them already.
        if taker_fees_minor and maker_fees_minor and received in fees and paid in fees:
            fees[received].available_minor += taker_fees_minor
            fees[paid].available_minor += maker_fees_minor
            traders[FEE_ACCOUNT_ID] = fees
        else:
            if taker_fees_minor:
                ledger.credit(venue.fee_account.balance(received), taker_fees_minor)
            if maker_fees_minor:
                ledger.credit(venue.fee_account.balance(paid), maker_fees_minor)
        return ended

    def _reduce_special(
        self, maker: Order, special: Special, lots: int, trade: Trade, events: list[Event]
    ) -> None:
        """Takes filled lots off what a maker that is not plain shows."""
        if special.order_list is not None:
            self._lifecycle.note_fill(maker, special.order_list, trade)
        if lots < maker.remaining_lots:
            maker.book.reduce(maker, lots)
            return
        if not special.reserve_lots:
            self._lifecycle.fill_maker(maker)
            return
        maker.book.refresh(maker)
        events.append(
            IcebergRefreshed(
                maker.order_id, maker.account.account_id, maker.book.symbol, maker.remaining_lots
            )
        )

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
            venue.ledger.credit(venue.fee_account.balance(payer.asset), -rebate_minor)
        return fees
