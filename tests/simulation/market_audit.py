"""What holds in each market and for each account: phases, prices, bands, auctions, switches."""

from orderbook.core.events import (
    AccountLimitsSet,
    AccountStatusSet,
    AuctionUncrossed,
    CancelAllAfterFired,
    CancelAllAfterSet,
    InstrumentDefined,
    KillSwitchSet,
    OrderAccepted,
    PhaseChanged,
    ReferencePriceSet,
    Trade,
)
from orderbook.core.units import PPM, AccountStatus, InstrumentStatus, SelfTradePrevention
from tests.simulation.errors import require

VENUE_ID = 0


class Market:
    """One instrument as the events so far make it."""

    def __init__(self) -> None:
        self.definition: InstrumentDefined | None = None
        self.phase = InstrumentStatus.TRADING
        self.reference_ticks = 0
        self.last_ticks = 0
        self.traded_ticks: set[int] = set()
        """Prices of the running command's trades: each was the last one for a moment."""
        self.uncross: AuctionUncrossed | None = None
        self.uncrossed_lots = 0


class MarketAudit:
    def __init__(self) -> None:
        self.markets: dict[str, Market] = {}
        self.self_trade: dict[int, SelfTradePrevention] = {}
        """Defaults of the accounts that have set one."""
        self._killed: set[int] = set()
        self._closed: set[int] = set()
        self._dead_man_ns: dict[int, int] = {}
        self._fired: set[int] = set()
        self._taking = (0, 0)
        """The order that trades now, and the last trade's price before it did."""

    # -- what is set --------------------------------------------------------------------------

    def define(self, event: InstrumentDefined, where: str) -> None:
        market = self.markets.setdefault(event.symbol, Market())
        market.definition, market.phase = event, event.status

    def change_phase(self, event: PhaseChanged, where: str) -> None:
        self.markets[event.symbol].phase = event.status

    def set_reference(self, event: ReferencePriceSet, where: str) -> None:
        self.markets[event.symbol].reference_ticks = event.price_ticks

    def set_limits(self, event: AccountLimitsSet, where: str) -> None:
        self.self_trade[event.account_id] = event.self_trade

    def set_status(self, event: AccountStatusSet, where: str) -> None:
        closed = event.status is AccountStatus.CLOSED
        (self._closed.add if closed else self._closed.discard)(event.account_id)

    def set_kill_switch(self, event: KillSwitchSet, where: str) -> None:
        (self._killed.add if event.engaged else self._killed.discard)(event.account_id)

    def set_dead_man(self, event: CancelAllAfterSet, where: str) -> None:
        self._dead_man_ns.pop(event.account_id, None)
        if event.deadline_ns:
            self._dead_man_ns[event.account_id] = event.deadline_ns

    def fire_dead_man(self, event: CancelAllAfterFired, time_ns: int, where: str) -> None:
        due_ns = self._dead_man_ns.pop(event.account_id, None)
        require(
            due_ns is not None and due_ns <= time_ns,
            "rules",
            f"{where}: the dead man's switch of account {event.account_id} was not due",
        )
        self._fired.add(event.account_id)

    # -- what must hold -----------------------------------------------------------------------

    def begin_command(self) -> None:
        for market in self.markets.values():
            market.traded_ticks.clear()

    def begin_step(self) -> None:
        """Another order may trade now."""
        self._taking = (0, 0)

    def accept(self, event: OrderAccepted, where: str) -> None:
        require(
            not self._is_stopped(event.account_id) and event.account_id not in self._closed,
            "rules",
            f"{where}: order {event.order_id} of an account that is closed or stopped is taken",
        )

    def _is_stopped(self, account_id: int) -> bool:
        return VENUE_ID in self._killed or account_id in self._killed

    def may_have_orders(self, account_id: int) -> bool:
        """Asked after a command, of each account that has one."""
        return not (
            self._is_stopped(account_id) or account_id in self._closed or account_id in self._fired
        )

    def begin_uncross(self, event: AuctionUncrossed, where: str) -> None:
        market = self.markets[event.symbol]
        market.uncross, market.uncrossed_lots = event, 0

    def trade(self, event: Trade, where: str) -> None:
        market = self.markets[event.symbol]
        for account_id in (event.maker_account_id, event.taker_account_id):
            require(
                not self._is_stopped(account_id),
                "rules",
                f"{where}: account {account_id} trades though its kill switch is engaged",
            )
        if event.in_auction:
            self._trade_in_auction(market, event, where)
        else:
            require(
                market.phase is InstrumentStatus.TRADING,
                "rules",
                f"{where}: trade {event.trade_id} in the phase {market.phase.value}",
            )
            self._check_bands(market, event, where)
        market.last_ticks = event.price_ticks
        market.traded_ticks.add(event.price_ticks)

    def _trade_in_auction(self, market: Market, event: Trade, where: str) -> None:
        uncross = market.uncross
        require(
            uncross is not None and uncross.price_ticks == event.price_ticks,
            "I7",
            f"{where}: trade {event.trade_id} of an auction is not at its one price",
        )
        market.uncrossed_lots += event.quantity_lots

    def _check_bands(self, market: Market, event: Trade, where: str) -> None:
        order_id, last_ticks = self._taking
        if order_id != event.taker_order_id:
            last_ticks = market.last_ticks or market.reference_ticks
            self._taking = (event.taker_order_id, last_ticks)
        definition = market.definition
        assert definition is not None
        for name, centre, band_ppm in (
            ("static", market.reference_ticks, definition.static_band_ppm),
            ("dynamic", last_ticks, definition.dynamic_band_ppm),
        ):
            distance = abs(event.price_ticks - centre)
            require(
                not centre or not band_ppm or distance * PPM <= centre * band_ppm,
                "I8",
                f"{where}: trade {event.trade_id} at {event.price_ticks} is outside of the {name} "
                f"band of {band_ppm} ppm around {centre}",
            )

    def check(self, time_ns: int, *, from_client: bool, where: str) -> None:
        """After each command. ``from_client``: all that was due has been done before it."""
        self._fired.clear()
        for symbol, market in self.markets.items():
            uncross, market.uncross = market.uncross, None
            require(
                uncross is None or uncross.volume_lots == market.uncrossed_lots,
                "I7",
                f"{where}: {symbol} trades {market.uncrossed_lots} lots in {uncross}",
            )
        if from_client:
            late = [one for one, due_ns in self._dead_man_ns.items() if due_ns <= time_ns]
            require(not late, "rules", f"{where}: dead man's switches of {late} did not fire")
