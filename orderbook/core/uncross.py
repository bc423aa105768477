"""The uncross: the end of an auction, in which all that can trade does so at one price.

Both sides trade in price-time priority. The older order of a pair, by id, counts as the maker, the
younger as the taker, and both pay as makers, at least nothing. Buyers held their limit and pay the
auction's price; the difference is available again. An iceberg takes part with its whole quantity
at its place in time; its reserve is used up before what it shows, which keeps its place. Orders
of one account trade with each other: there is no self-trade prevention in an auction.

One command makes at most MAX_FILLS trades of an uncross. What is left goes on, at the same price,
with the ``AdvanceTime`` that is due at once; nobody's command comes in between.
"""

from orderbook.core.auction import Auction, Indication, indicate
from orderbook.core.book import Book
from orderbook.core.events import AuctionUncrossed, Event, ReferencePriceSet, Trade
from orderbook.core.fees import fee_minor
from orderbook.core.lifecycle import Lifecycle
from orderbook.core.order import Order
from orderbook.core.timers import AT_ONCE_NS, TimerKind
from orderbook.core.units import (
    DAY_NS,
    FEE_ACCOUNT_ID,
    MAX_FILLS,
    InstrumentStatus,
    PhaseReason,
    Side,
)
from orderbook.core.venue import Venue


class Uncross:
    __slots__ = ("_lifecycle", "_venue")

    def __init__(self, venue: Venue, lifecycle: Lifecycle) -> None:
        self._venue = venue
        self._lifecycle = lifecycle

    def begin(
        self, book: Book, then: InstrumentStatus, why: PhaseReason, events: list[Event]
    ) -> bool:
        """Finds the price and trades. False where trades are left; the phase ``then`` waits."""
        result = indicate(book)
        auction = book.auction = Auction()
        auction.price_ticks = result.price_ticks
        auction.left_lots = result.volume_lots
        auction.then = then
        auction.why = why
        events.append(_uncrossed(book, result))
        return self.go_on(book, auction, events)

    def go_on(self, book: Book, auction: Auction, events: list[Event]) -> bool:
        """Makes the next trades. True as soon as none are left, which ends the auction."""
        price_ticks = auction.price_ticks
        fills = 0
        while auction.left_lots:
            if fills == MAX_FILLS:
                symbol = book.instrument.symbol
                self._venue.timers.set(TimerKind.UNCROSS, symbol, AT_ONCE_NS)
                return False
            fills += 1
            auction.left_lots -= self._trade(book, price_ticks, auction.left_lots, events)
            book.last_ticks = price_ticks
        book.auction = None
        if price_ticks:
            book.reference_ticks = price_ticks
            events.append(ReferencePriceSet(book.instrument.symbol, price_ticks))
        return True

    def _trade(self, book: Book, price_ticks: int, most_lots: int, events: list[Event]) -> int:
        """One trade of the first orders of both sides; its quantity."""
        bids, asks = book.bids.best, book.asks.best
        assert bids is not None
        assert asks is not None
        buyer, seller = bids.first, asks.first
        assert buyer is not None
        assert seller is not None
        lots = min(buyer.open_lots(), seller.open_lots(), most_lots)
        trade = self._settle(buyer, seller, lots, price_ticks)
        events.append(trade)
        self._finish(buyer, trade)
        self._finish(seller, trade)
        return lots

    def _settle(self, buyer: Order, seller: Order, lots: int, price_ticks: int) -> Trade:
        """Moves the money of one trade and takes its lots off both orders."""
        book = buyer.book
        instrument = book.instrument
        base_minor = lots * instrument.lot_minor
        quote_minor = price_ticks * lots * instrument.tick_lot_minor
        buyer_fee_minor, seller_fee_minor = self._fees(buyer, seller, base_minor, quote_minor)
        self._pay(buyer, lots, quote_minor)
        self._pay(seller, lots, base_minor)
        venue = self._venue
        ledger = venue.ledger
        base, quote = instrument.base, instrument.quote
        ledger.credit(buyer.account.balance(base), base_minor - buyer_fee_minor)
        ledger.credit(seller.account.balance(quote), quote_minor - seller_fee_minor)
        fee_account = venue.registry.by_id[FEE_ACCOUNT_ID]
        if buyer_fee_minor:
            ledger.credit(fee_account.balance(base), buyer_fee_minor)
        if seller_fee_minor:
            ledger.credit(fee_account.balance(quote), seller_fee_minor)
        venue.next_trade_id += 1
        buyer_is_maker = buyer.order_id < seller.order_id
        maker, taker = (buyer, seller) if buyer_is_maker else (seller, buyer)
        fees = (buyer_fee_minor, seller_fee_minor)
        maker_fee_minor, taker_fee_minor = fees if buyer_is_maker else fees[::-1]
        return Trade(
            venue.next_trade_id - 1,
            instrument.symbol,
            base,
            quote,
            price_ticks,
            lots,
            base_minor,
            quote_minor,
            maker.order_id,
            maker.account.account_id,
            maker_fee_minor,
            taker.order_id,
            taker.account.account_id,
            taker_fee_minor,
            Side.SELL if buyer_is_maker else Side.BUY,
            in_auction=True,
        )

    def _fees(
        self, buyer: Order, seller: Order, base_minor: int, quote_minor: int
    ) -> tuple[int, int]:
        """(the buyer's in base, the seller's in quote)"""
        schedule = buyer.book.fees
        if schedule is not None:
            day = self._venue.time_ns // DAY_NS
            return schedule.charge_auction(
                buyer.account, seller.account, base_minor, quote_minor, day
            )
        maker_ppm = buyer.book.instrument.maker_fee_ppm
        return fee_minor(base_minor, maker_ppm), fee_minor(quote_minor, maker_ppm)

    def _pay(self, order: Order, lots: int, paid_minor: int) -> None:
        """Takes lots off an order, hidden ones first, and pays for them out of what it held."""
        held_minor = order.held_minor()
        level = order.level
        assert level is not None
        special = order.special
        shown_lots = lots
        if special is not None:
            hidden_lots = min(lots, special.reserve_lots)
            special.reserve_lots -= hidden_lots
            level.reserve_lots -= hidden_lots
            shown_lots -= hidden_lots
        if shown_lots:
            order.book.reduce(order, shown_lots)
        ledger = self._venue.ledger
        ledger.release(order.funds, held_minor - order.held_minor())
        ledger.debit(order.funds, paid_minor)

    def _finish(self, order: Order, trade: Trade) -> None:
        """What follows from the trade for one of its orders."""
        special = order.special
        if special is not None and special.order_list is not None:
            self._lifecycle.note_fill(order, special.order_list, trade)
        if not order.remaining_lots:
            self._lifecycle.fill_maker(order)


def _uncrossed(book: Book, result: Indication) -> AuctionUncrossed:
    return AuctionUncrossed(book.instrument.symbol, *result)
