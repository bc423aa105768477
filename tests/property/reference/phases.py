"""Phases, call auctions and what an operator sets of an instrument."""

from itertools import pairwise

from msgspec.structs import replace

from orderbook.core.commands import SetFeeSchedule, SetPhase, SetReferencePrice, SetSchedule
from orderbook.core.events import (
    AuctionIndicated,
    AuctionUncrossed,
    FeeScheduleSet,
    PhaseChanged,
    ReferencePriceSet,
    ScheduleSet,
)
from orderbook.core.rejects import RejectReason as R
from orderbook.core.units import (
    DAY_NS,
    MAX_FEE_PPM,
    MAX_FEE_TIERS,
    MAX_PRICE_TICKS,
    MAX_SCHEDULE_ENTRIES,
    MAX_SUPPLY_MINOR,
    InstrumentStatus,
    PhaseReason,
    Side,
)
from tests.property.reference.endings import AUCTIONS
from tests.property.reference.matching import Matching
from tests.property.reference.state import Market, Uncrossing, need

TRADING = InstrumentStatus.TRADING
CLOSED = InstrumentStatus.CLOSED
CONTINUOUS = (TRADING, InstrumentStatus.POST_ONLY)


class Phases(Matching):
    # Auctions

    def would_uncross(self, symbol: str) -> tuple[int, int, int]:
        """(price, volume, imbalance): every price that could be the best one is tried."""
        market = self.markets[symbol]
        bids, asks = self.standing(symbol, Side.BUY), self.standing(symbol, Side.SELL)
        reference = market.reference or market.last
        prices = {order.price for order in (*bids, *asks)}
        near = {price + step for price in prices for step in (-1, 0, 1)} | {reference}
        results = []
        for price in near:
            demand = sum(order.left for order in bids if order.price >= price)
            supply = sum(order.left for order in asks if order.price <= price)
            volume, imbalance = min(demand, supply), demand - supply
            if volume:
                distance = abs(price - reference)
                results.append((-volume, abs(imbalance), distance, price, imbalance))
        if not results:
            return 0, 0, 0
        best = min(results)
        return best[3], -best[0], best[4]

    def publish(self, symbol: str) -> None:
        market = self.markets[symbol]
        indication = self.would_uncross(symbol)
        if indication != market.indicated:
            market.indicated = indication
            self.events.append(AuctionIndicated(symbol, *indication))

    def go_on_uncrossing(self, symbol: str) -> None:
        """Makes the next trades of an uncross; as soon as none are left, its phase begins."""
        market = self.markets[symbol]
        uncrossing = market.uncrossing
        assert uncrossing is not None
        fills = 0
        while uncrossing.left:
            if fills == self.bounds.fills:
                return
            fills += 1
            buyer = self.standing(symbol, Side.BUY)[0]
            seller = self.standing(symbol, Side.SELL)[0]
            lots = min(buyer.left, seller.left, uncrossing.left)
            older, younger = sorted((buyer, seller), key=lambda order: order.id)
            trade = self.trade(older, younger, lots, uncrossing.price, in_auction=True)
            uncrossing.left -= lots
            for order in (buyer, seller):
                self.take_off(order, lots)
            for order in (buyer, seller):
                self.note_fill(order, trade)
                if not order.left:
                    self.finish(order)
        market.uncrossing = None
        if uncrossing.price:
            market.reference = uncrossing.price
            self.events.append(ReferencePriceSet(symbol, uncrossing.price))
        self.enter(symbol, uncrossing.then, uncrossing.why, 0)

    # Changes of phase

    def change_phase(self, symbol: str, status: InstrumentStatus, why: PhaseReason) -> None:
        """Uncrosses where that comes first."""
        market = self.markets[symbol]
        market.phase_end_ns = market.indicate_ns = None
        ends_auction = market.status in AUCTIONS and status in (*CONTINUOUS, CLOSED)
        if ends_auction or (status in CONTINUOUS and self.crossed(symbol)):
            result = self.would_uncross(symbol)
            self.events.append(AuctionUncrossed(symbol, *result))
            market.uncrossing = Uncrossing(result[0], result[1], status, why)
            market.indicated = (0, 0, 0)
            self.go_on_uncrossing(symbol)
        else:
            self.enter(symbol, status, why, 0)

    def enter(self, symbol: str, status: InstrumentStatus, why: PhaseReason, until: int) -> None:
        market = self.markets[symbol]
        market.rules = replace(market.rules, status=status)
        self.events.append(PhaseChanged(symbol, status, why, until))
        market.indicated = (0, 0, 0)
        if status in AUCTIONS:
            self.publish(symbol)
        elif status is TRADING:
            self.traded.append(symbol)

    def begin_volatility_auction(self, symbol: str, pause_ns: int) -> None:
        until = self.now + pause_ns
        self.enter(symbol, InstrumentStatus.OPENING_AUCTION, PhaseReason.VOLATILITY, until)
        self.markets[symbol].phase_end_ns = until

    # Commands

    def set_phase(self, command: SetPhase) -> None:
        need(command.symbol in self.markets, R.UNKNOWN_SYMBOL)
        self.change_phase(command.symbol, command.status, PhaseReason.OPERATOR)

    def set_schedule(self, command: SetSchedule) -> None:
        need(command.symbol in self.markets, R.UNKNOWN_SYMBOL)
        times = [time_ns for time_ns, _ in command.entries]
        need(len(times) <= MAX_SCHEDULE_ENTRIES, R.INVALID_SCHEDULE)
        need(all(a < b for a, b in pairwise(times)), R.INVALID_SCHEDULE)
        need(all(0 <= time_ns < DAY_NS for time_ns in times), R.INVALID_SCHEDULE)
        market = self.markets[command.symbol]
        market.schedule = command.entries
        self.arm_schedule(market, self.now)
        self.events.append(ScheduleSet(command.symbol, command.entries))

    def arm_schedule(self, market: Market, after_ns: int) -> None:
        """The next phase is that of the first time of day that comes after this time."""
        today = after_ns - after_ns % DAY_NS
        times = [day + entry[0] for day in (today, today + DAY_NS) for entry in market.schedule]
        market.next_phase_ns = min((one for one in times if one > after_ns), default=0)

    def follow_schedule(self, symbol: str) -> None:
        market = self.markets[symbol]
        [status] = [s for ns, s in market.schedule if ns == market.next_phase_ns % DAY_NS]
        self.arm_schedule(market, market.next_phase_ns)
        self.change_phase(symbol, status, PhaseReason.SCHEDULE)

    def set_reference_price(self, command: SetReferencePrice) -> None:
        need(command.symbol in self.markets, R.UNKNOWN_SYMBOL)
        need(0 < command.price_ticks <= MAX_PRICE_TICKS, R.INVALID_PRICE)
        self.markets[command.symbol].reference = command.price_ticks
        self.events.append(ReferencePriceSet(command.symbol, command.price_ticks))

    def set_fee_schedule(self, command: SetFeeSchedule) -> None:
        need(command.symbol in self.markets, R.UNKNOWN_SYMBOL)
        tiers = command.tiers
        volumes = [tier.min_volume_minor for tier in tiers]
        valid = len(tiers) <= MAX_FEE_TIERS and volumes == sorted(set(volumes))
        if tiers:
            valid = valid and volumes[0] == 0 and volumes[-1] <= MAX_SUPPLY_MINOR
        for tier in tiers:
            lowest = min(other.taker_fee_ppm for other in tiers)
            valid = valid and 0 <= tier.taker_fee_ppm <= MAX_FEE_PPM
            valid = valid and -lowest <= tier.maker_fee_ppm <= MAX_FEE_PPM
        need(valid, R.INVALID_FEE_SCHEDULE)
        self.markets[command.symbol].tiers = tiers
        self.events.append(FeeScheduleSet(command.symbol, tiers))
