"""Money in and out, accounts and what contains them, definitions, busts."""

from collections import Counter

from msgspec.structs import replace

from orderbook.core import commands as c
from orderbook.core import events as e
from orderbook.core.rejects import RejectReason as R
from orderbook.core.units import (
    MAX_BAND_PPM,
    MAX_DEAD_MAN_NS,
    MAX_DECIMALS,
    MAX_FEE_PPM,
    MAX_ID,
    MAX_PAUSE_NS,
    MAX_QUANTITY_LOTS,
    MAX_RATE,
    MAX_SUPPLY_MINOR,
    MAX_UNIT_MINOR,
    MIN_DEAD_MAN_NS,
    AccountStatus,
    CancelReason,
    Side,
)
from tests.property.reference.changes import Changes
from tests.property.reference.refusals import asset_text, symbol_text
from tests.property.reference.state import Account, Market, need

FEES = 0
"""The venue's own account."""


def returned(trade: e.Trade) -> Counter[tuple[int, str]]:
    """What each balance gets back when a trade is undone (or gives back, negative)."""
    maker, taker = trade.maker_account_id, trade.taker_account_id
    base, quote = (trade.base, trade.base_minor), (trade.quote, trade.quote_minor)
    to_taker, to_maker = (base, quote) if trade.taker_side is Side.BUY else (quote, base)
    moved: Counter[tuple[int, str]] = Counter()
    for giver, receiver, (asset, amount) in ((maker, taker, to_taker), (taker, maker, to_maker)):
        moved[giver, asset] += amount
        moved[receiver, asset] -= amount
    for payer, payee, asset, amount in (
        (taker, FEES, to_taker[0], trade.taker_fee_minor),
        (FEES, maker, to_taker[0], trade.maker_rebate_minor),
        (maker, FEES, to_maker[0], trade.maker_fee_minor),
    ):
        moved[payer, asset] += amount
        moved[payee, asset] -= amount
    return moved


class Accounts(Changes):
    # Money

    def deposit(self, command: c.Deposit) -> None:
        account, asset, amount = command.account_id, command.asset, command.amount_minor
        need(1 <= account <= MAX_ID, R.UNKNOWN_ACCOUNT)
        self.check_transfer(account, asset, amount, command.reference)
        supply = sum(owned for (_, one), owned in self.total.items() if one == asset)
        need(supply + amount <= self.bounds.supply, R.SUPPLY_LIMIT)
        if account not in self.accounts:
            self.accounts[account] = Account(account)
            self.events.append(e.AccountStatusSet(account, AccountStatus.ACTIVE))
        self.references.append((account, command.reference))
        self.move(account, asset, amount)
        self.events.append(e.Deposited(account, asset, amount, command.reference))

    def withdraw(self, command: c.Withdraw) -> None:
        account, asset, amount = command.account_id, command.asset, command.amount_minor
        need(account in self.accounts, R.UNKNOWN_ACCOUNT)
        self.check_transfer(account, asset, amount, command.reference)
        need(amount <= self.available(account, asset), R.INSUFFICIENT_BALANCE)
        self.references.append((account, command.reference))
        self.move(account, asset, -amount)
        self.events.append(e.Withdrawn(account, asset, amount, command.reference))

    def check_transfer(self, account: int, asset: str, amount: int, reference: str) -> None:
        need(asset in self.assets, R.UNKNOWN_ASSET)
        need(amount > 0, R.INVALID_AMOUNT)
        controls = any(ord(one) < 32 or 127 <= ord(one) < 160 for one in reference)
        need(len(reference) <= 64 and not controls, R.INVALID_REFERENCE)
        used = reference != "" and (account, reference) in self.references
        need(not used, R.DUPLICATE_REFERENCE)

    def bust(self, command: c.BustTrade) -> None:
        trade = command.trade
        need(self.is_possible(trade), R.UNKNOWN_TRADE)
        need(trade.trade_id not in self.busted, R.ALREADY_BUSTED)
        moved = returned(trade)
        for (account, asset), amount in moved.items():
            need(self.available(account, asset) + amount >= 0, R.INSUFFICIENT_BALANCE)
        for (account, asset), amount in moved.items():
            self.move(account, asset, amount)
        self.busted.append(trade.trade_id)
        self.events.append(e.TradeBusted(trade))

    def is_possible(self, trade: e.Trade) -> bool:
        """Whether the venue may have made this trade, as far as it still knows."""
        if trade.symbol not in self.markets or not 1 <= trade.trade_id <= self.trades_so_far:
            return False
        rules = self.markets[trade.symbol].rules
        base, quote = trade.base_minor, trade.quote_minor
        lots, price = trade.quantity_lots, trade.price_ticks
        to_taker, to_maker = (base, quote) if trade.taker_side is Side.BUY else (quote, base)
        parties = (trade.maker_account_id, trade.taker_account_id)
        orders = (trade.maker_order_id, trade.taker_order_id)
        return (
            (trade.base, trade.quote) == (rules.base, rules.quote)
            and lots > 0
            and price > 0
            and base == lots * rules.lot_minor
            and quote == price * lots * rules.tick_lot_minor
            and all(one in self.accounts and one != FEES for one in parties)
            and all(1 <= one <= self.orders_so_far for one in orders)
            and 0 <= trade.maker_fee_minor <= to_maker
            and 0 <= trade.maker_rebate_minor <= trade.taker_fee_minor <= to_taker
        )

    # Accounts

    def trader(self, account: int) -> Account:
        need(account != FEES and account in self.accounts, R.UNKNOWN_ACCOUNT)
        return self.accounts[account]

    def set_account_status(self, command: c.SetAccountStatus) -> None:
        account = command.account_id
        need(1 <= account <= MAX_ID, R.UNKNOWN_ACCOUNT)
        self.accounts.setdefault(account, Account(account))
        if command.status is AccountStatus.CLOSED:
            self.cancel_many(self.open_of(account), CancelReason.ACCOUNT_CLOSED)
        self.accounts[account].status = command.status
        self.events.append(e.AccountStatusSet(account, command.status))

    def set_account_limits(self, command: c.SetAccountLimits) -> None:
        account = self.trader(command.account_id)
        need(0 <= command.max_open_orders <= self.bounds.open_orders, R.INVALID_LIMITS)
        rates = (command.orders_per_second, command.messages_per_second)
        need(all(0 <= rate <= MAX_RATE for rate in rates), R.INVALID_LIMITS)
        account.self_trade = command.self_trade
        account.max_open = command.max_open_orders
        account.orders_per_second, account.messages_per_second = rates
        if rates == (0, 0):
            account.second = account.orders = account.messages = 0
        self.events.append(
            e.AccountLimitsSet(account.id, command.self_trade, command.max_open_orders, *rates)
        )

    def set_kill_switch(self, command: c.SetKillSwitch) -> None:
        account, engaged = command.account_id, command.engaged
        orders = list(self.orders)
        if account == 0:
            self.kill_switch = engaged
        else:
            self.trader(account).kill_switch = engaged
            orders = self.open_of(account)
        self.events.append(e.KillSwitchSet(account, engaged))
        if engaged:
            self.cancel_many(orders, CancelReason.KILL_SWITCH)

    def cancel_all_after(self, command: c.CancelAllAfter) -> None:
        account, timeout = self.trader(command.account_id), command.timeout_ns
        need(account.status is AccountStatus.ACTIVE, R.ACCOUNT_CLOSED)
        fits = timeout == 0 or MIN_DEAD_MAN_NS <= timeout <= MAX_DEAD_MAN_NS
        need(fits, R.INVALID_TIMEOUT)
        account.dead_man_ns = self.now + timeout if timeout else 0
        self.events.append(e.CancelAllAfterSet(account.id, account.dead_man_ns))

    # Definitions

    def define_asset(self, command: c.DefineAsset) -> None:
        asset, decimals = command.asset, command.decimals
        fits = bool(asset_text(asset)) and 0 <= decimals <= MAX_DECIMALS
        need(fits, R.INVALID_DEFINITION)
        need(self.assets.get(asset, decimals) == decimals, R.UNITS_FIXED)
        self.assets[asset] = decimals
        self.events.append(e.AssetDefined(asset, decimals))

    def define_instrument(self, command: c.DefineInstrument) -> None:
        d = command
        bounds = [
            (d.lot_minor, 1, MAX_UNIT_MINOR),
            (d.tick_lot_minor, 1, MAX_UNIT_MINOR),
            (d.maker_fee_ppm, 0, MAX_FEE_PPM),
            (d.taker_fee_ppm, 0, MAX_FEE_PPM),
            (d.min_notional_minor, 0, MAX_SUPPLY_MINOR),
            (d.max_quantity_lots, 1, MAX_QUANTITY_LOTS),
            (d.max_notional_minor, 0, MAX_SUPPLY_MINOR),
            (d.static_band_ppm, 0, MAX_BAND_PPM),
            (d.dynamic_band_ppm, 0, MAX_BAND_PPM),
            (d.pause_ns, 0, MAX_PAUSE_NS),
        ]
        fits = all(low <= value <= high for value, low, high in bounds)
        names = bool(symbol_text(d.symbol)) and d.base != d.quote
        need(fits and names, R.INVALID_DEFINITION)
        need(d.base in self.assets and d.quote in self.assets, R.UNKNOWN_ASSET)
        defined = e.InstrumentDefined(
            d.symbol,
            d.base,
            d.quote,
            self.assets[d.base],
            self.assets[d.quote],
            d.lot_minor,
            d.tick_lot_minor,
            d.maker_fee_ppm,
            d.taker_fee_ppm,
            d.min_notional_minor,
            d.max_quantity_lots,
            d.status,
            d.max_notional_minor,
            d.static_band_ppm,
            d.dynamic_band_ppm,
            d.pause_ns,
        )
        if d.symbol not in self.markets:
            self.markets[d.symbol] = Market(defined)
        else:
            market = self.markets[d.symbol]
            old = market.rules
            units = (old.base, old.quote, old.lot_minor, old.tick_lot_minor)
            need(units == (d.base, d.quote, d.lot_minor, d.tick_lot_minor), R.UNITS_FIXED)
            defined = market.rules = replace(defined, status=old.status)
        self.events.append(defined)

    def open_epoch(self, command: c.OpenEpoch) -> None:
        need(command.epoch <= MAX_ID, R.INVALID_DEFINITION)
        need(command.epoch > self.epoch, R.STALE_EPOCH)
        self.epoch = command.epoch
        self.events.append(e.EpochOpened(command.epoch))
