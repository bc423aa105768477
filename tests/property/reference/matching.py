"""Trades: who meets whom, what it costs, and what keeps an account from trading with itself."""

from orderbook.core.events import IcebergRefreshed, SelfTradePrevented, Trade
from orderbook.core.units import DAY_NS, PPM, CancelReason, SelfTradePrevention, Side
from tests.property.reference.endings import Endings
from tests.property.reference.state import Order

NONE = SelfTradePrevention.NONE
OLDEST = SelfTradePrevention.CANCEL_OLDEST


def fee(amount: int, ppm: int) -> int:
    """Rounded up."""
    whole, rest = divmod(amount * ppm, PPM)
    return whole + (1 if rest else 0)


class Matching(Endings):
    # What could trade

    def offers(
        self, symbol: str, side: Side, limit: int, account: int, rule: SelfTradePrevention
    ) -> list[tuple[int, int]]:
        """(price, lots) on the other side; own orders do not count where they would be canceled."""
        return [
            (order.price, order.left)
            for order in self.met_by(symbol, side, limit)
            if not (rule is OLDEST and order.account == account)
        ]

    def walk(
        self,
        symbol: str,
        side: Side,
        limit: int,
        lots: int,
        account: int,
        rule: SelfTradePrevention,
    ) -> tuple[int, int]:
        """(lots that fill now, what they cost in quote)"""
        filled = cost = 0
        for price, offered in self.offers(symbol, side, limit, account, rule):
            taken = min(offered, lots - filled)
            filled += taken
            cost += taken * price
        return filled, cost * self.markets[symbol].rules.tick_lot_minor

    def lots_for_quote(
        self,
        symbol: str,
        side: Side,
        limit: int,
        quote: int,
        account: int,
        rule: SelfTradePrevention,
    ) -> int:
        """The most lots that come to at most so much quote."""
        rules = self.markets[symbol].rules
        lots = 0
        for price, offered in self.offers(symbol, side, limit, account, rule):
            for _ in range(min(offered, rules.max_quantity_lots)):  # lot by lot
                quote -= price * rules.tick_lot_minor
                if quote < 0:
                    return min(lots, rules.max_quantity_lots)
                lots += 1
        return min(lots, rules.max_quantity_lots)

    def fills_whole(self, order: Order, limit: int) -> bool:
        """Whether it would be filled to the end, played through with copies."""
        rule = self.rule_of(order)
        queue = [
            [other.price, other.left, other.shown, other.asked.display_lots, other.account]
            for other in self.met_by(order.symbol, order.side, limit)
        ]
        left, fills = order.left, 0
        while queue and left and fills < self.trades_left(0):
            price, lots, shown, display, account = queue.pop(0)
            if account == order.account and rule is not NONE:
                if rule is OLDEST:
                    continue
                return False
            fills += 1
            left -= min(left, shown)
            if lots > shown:
                behind = sum(1 for other in queue if other[0] == price)
                queue.insert(
                    behind, [price, lots - shown, min(display, lots - shown), display, account]
                )
        return not left

    # Trades

    def match(self, taker: Order, limit: int) -> CancelReason | None:
        """Fills as far as the limit goes. Names the reason where it must stop before."""
        rule, fills = self.rule_of(taker), 0
        while taker.left:
            makers = self.met_by(taker.symbol, taker.side, limit)
            if not makers:
                return None
            if self.trades_left(fills) <= 0:
                return CancelReason.FILL_LIMIT
            maker = makers[0]
            if maker.account == taker.account and rule is not NONE:
                ended = self.prevent(taker, maker, rule)
                if ended is not None:
                    return ended
            else:
                self.fill(taker, maker)
                fills += 1
        return None

    def trades_left(self, fills: int) -> int:
        """How many more trades an order may make that has made so many."""
        left = self.bounds.fills - fills
        if self.last_trade is None:
            return left
        return min(left, self.last_trade - self.trades_so_far)

    def fill(self, taker: Order, maker: Order) -> None:
        lots = min(taker.left, maker.shown)
        whole = lots == maker.shown
        trade = self.trade(maker, taker, lots, maker.price, in_auction=False)
        self.traded.append(maker.symbol)
        taker.left -= lots
        maker.left -= lots
        maker.shown -= lots
        self.note_fill(maker, trade)
        if not maker.left:
            self.finish(maker)
        elif whole:
            maker.shown = min(maker.left, maker.asked.display_lots)
            self.to_the_back(maker)
            self.events.append(IcebergRefreshed(maker.id, maker.account, maker.symbol, maker.shown))

    def prevent(self, taker: Order, maker: Order, rule: SelfTradePrevention) -> CancelReason | None:
        decrement = rule is SelfTradePrevention.DECREMENT
        lots = min(taker.left, maker.left) if decrement else 0
        self.events.append(
            SelfTradePrevented(taker.symbol, taker.account, maker.id, taker.id, rule, lots)
        )
        if rule is SelfTradePrevention.CANCEL_NEWEST:
            return CancelReason.SELF_TRADE
        if decrement:
            self.shrink(maker, lots)
            self.note_act(maker)
            if not maker.left:
                self.cancel(maker, CancelReason.SELF_TRADE)
            taker.left -= lots
            taker.quantity -= lots
            return None if taker.left else CancelReason.SELF_TRADE
        self.cancel(maker, CancelReason.SELF_TRADE)
        return CancelReason.SELF_TRADE if rule is SelfTradePrevention.CANCEL_BOTH else None

    def trade(
        self, maker: Order, taker: Order, lots: int, price: int, *, in_auction: bool
    ) -> Trade:
        """Moves the money of one trade and records it."""
        market = self.markets[maker.symbol]
        rules = market.rules
        buyer, seller = (taker, maker) if taker.side is Side.BUY else (maker, taker)
        base, quote = lots * rules.lot_minor, price * lots * rules.tick_lot_minor
        received = {buyer.id: (rules.base, base), seller.id: (rules.quote, quote)}
        taker_asset, taker_gets = received[taker.id]
        maker_asset, maker_gets = received[maker.id]
        maker_ppm, taker_ppm = self.maker_ppm(maker), self.taker_ppm(taker)
        rebate = 0
        if in_auction:
            maker_ppm, taker_ppm = max(0, maker_ppm), max(0, self.maker_ppm(taker))
        elif maker_ppm < 0:
            rebate, maker_ppm = taker_gets * -maker_ppm // PPM, 0
        maker_fee, taker_fee = fee(maker_gets, maker_ppm), fee(taker_gets, taker_ppm)
        self.move(buyer.account, rules.quote, -quote)
        self.move(seller.account, rules.base, -base)
        self.move(taker.account, taker_asset, taker_gets - taker_fee)
        self.move(maker.account, maker_asset, maker_gets - maker_fee)
        self.move(maker.account, taker_asset, rebate)
        self.move(0, taker_asset, taker_fee - rebate)
        self.move(0, maker_asset, maker_fee)
        for account in (maker.account, taker.account):
            self.paid |= {(account, rules.base), (account, rules.quote)}
            if market.tiers and maker.account != taker.account:
                self.volumes[account, rules.quote, self.now // DAY_NS] += quote
        market.last = price
        self.trades_so_far += 1
        made = Trade(
            trade_id=self.trades_so_far,
            symbol=maker.symbol,
            base=rules.base,
            quote=rules.quote,
            price_ticks=price,
            quantity_lots=lots,
            base_minor=base,
            quote_minor=quote,
            maker_order_id=maker.id,
            maker_account_id=maker.account,
            maker_fee_minor=maker_fee,
            taker_order_id=taker.id,
            taker_account_id=taker.account,
            taker_fee_minor=taker_fee,
            taker_side=taker.side,
            maker_rebate_minor=rebate,
            in_auction=in_auction,
        )
        self.events.append(made)
        return made

    # Fees

    def maker_ppm(self, order: Order) -> int:
        market = self.markets[order.symbol]
        if not market.tiers:
            return market.rules.maker_fee_ppm
        return market.tiers[self.tier(order)].maker_fee_ppm

    def taker_ppm(self, order: Order) -> int:
        market = self.markets[order.symbol]
        if not market.tiers:
            return market.rules.taker_fee_ppm
        return market.tiers[self.tier(order)].taker_fee_ppm

    def tier(self, order: Order) -> int:
        """The last tier that its account's volume of the thirty days before today reaches."""
        market, today = self.markets[order.symbol], self.now // DAY_NS
        volume = sum(
            self.volumes[order.account, market.rules.quote, today - ago] for ago in range(1, 31)
        )
        return max(n for n, tier in enumerate(market.tiers) if tier.min_volume_minor <= volume)
