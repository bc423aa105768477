"""One book of a feed as a web process knows it, from the states that are published of it.

Pure. States are whole, so a missing one does no harm: what changed is the difference to the last
one that came, and the update ids in between belong to that difference.
"""

from market.feeds.serving.messages import BookState, PriceLevel, TradeMessage
from market.source import MarketChange
from market.values import BookLevel, MarketView, Ticker, TradePrint
from orderbook.core.units import Side
from orderbook.gateway.protocol import DepthUpdate, Level

_SIDES = {"B": Side.BUY, "A": Side.SELL}


class LiveBook:
    def __init__(self, name: str, symbol: str, state: BookState) -> None:
        """``name`` is what listeners know it by, ``symbol`` what people do."""
        self.name = name
        self.symbol = symbol
        self.state = state
        self.update_id = state.update_id
        """Of the newest state whose levels were others: what listeners were told last."""

    def take(self, state: BookState) -> MarketChange:
        """The next state that came."""
        before, self.state = self.state, state
        levels = [
            *_differences(Side.BUY, before.bids, state.bids),
            *_differences(Side.SELL, before.asks, state.asks),
        ]
        depth: tuple[DepthUpdate, ...] = ()
        if levels:
            depth = (DepthUpdate(self.name, self.update_id + 1, state.update_id, levels),)
            self.update_id = state.update_id
        known = before.trades[-1].number if before.trades else 0
        trades = [trade for trade in state.trades if trade.number > known]
        return MarketChange(
            self.name,
            state.record_count,
            state.ts_recv,
            depth,
            tuple(self._print(trade) for trade in trades),
            trades_missed=bool(trades) and trades[0].number != known + 1,
        )

    def reset(self, state: BookState) -> MarketChange:
        """The feed's process is another one: nothing from before counts."""
        self.state = state
        self.update_id = state.update_id
        return MarketChange(self.name, state.record_count, state.ts_recv, (), (), reset=True)

    def unchanged(self) -> MarketChange:
        """Says that something beside the book is another: whether anything is heard of it."""
        return MarketChange(self.name, self.state.record_count, self.state.ts_recv, (), ())

    def view(self, levels: int) -> MarketView:
        state, sums = self.state, self.state.sums
        return MarketView(
            self.symbol,
            state.record_count,
            self.update_id,
            state.ts_recv,
            tuple(BookLevel(*level) for level in state.bids[:levels]),
            tuple(BookLevel(*level) for level in state.asks[:levels]),
            tuple(self._print(trade) for trade in reversed(state.trades)),
            Ticker(
                self.symbol, sums.open, sums.high, sums.low, sums.last, sums.volume, 0, sums.count
            ),
            None,
        )

    def _print(self, trade: TradeMessage) -> TradePrint:
        return TradePrint(
            trade.number,
            self.symbol,
            trade.price,
            trade.size,
            0,
            _SIDES.get(trade.side),
            trade.ts_recv,
            trade.sequence,
        )


def _differences(side: Side, before: list[PriceLevel], after: list[PriceLevel]) -> list[Level]:
    """Levels as they are now, and those that are gone or beyond what is published with size 0."""
    known = set(before)
    changed = [Level(side, *level) for level in after if level not in known]
    there = {level[0] for level in after}
    gone = [Level(side, price, 0, 0) for price, _, _ in before if price not in there]
    return changed + gone
