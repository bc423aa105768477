"""The whole naive venue: one command in, its events out; and what is due when."""

from collections.abc import Callable
from typing import Any

from orderbook.core import commands as c
from orderbook.core import events as e
from orderbook.core.units import CancelReason, InstrumentStatus, PhaseReason, TimeInForce
from tests.property.reference.accounts import Accounts
from tests.property.reference.changes import RefusedBatch, UnknownOld
from tests.property.reference.lists import RefusedOrder
from tests.property.reference.phases import CLOSED
from tests.property.reference.refusals import client_id_text, refusal
from tests.property.reference.state import Bounds, Refused

Due = tuple[int, int, int | str]
"""(time, rank among what is due at one time, whose)"""
UNCROSS, EXPIRY, DEAD_MAN, SCHEDULE, PHASE_END, INDICATION = range(6)
NEVER_NS = 2**63 - 1


class ReferenceVenue(Accounts):
    def __init__(self, bounds: Bounds) -> None:
        super().__init__(bounds)
        self.handlers: dict[type[Any], Callable[[Any], None]] = {
            c.OpenEpoch: self.open_epoch,
            c.AdvanceTime: self.advance_time,
            c.DefineAsset: self.define_asset,
            c.DefineInstrument: self.define_instrument,
            c.SetReferencePrice: self.set_reference_price,
            c.SetPhase: self.set_phase,
            c.SetSchedule: self.set_schedule,
            c.SetFeeSchedule: self.set_fee_schedule,
            c.SetAccountStatus: self.set_account_status,
            c.SetAccountLimits: self.set_account_limits,
            c.SetKillSwitch: self.set_kill_switch,
            c.CancelAllAfter: self.cancel_all_after,
            c.Deposit: self.deposit,
            c.Withdraw: self.withdraw,
            c.PlaceOrder: self.place,
            c.PlaceOrderList: self.place_list,
            c.AmendOrder: self.amend,
            c.ReplaceOrder: self.replace,
            c.CancelOrder: self.cancel_one,
            c.CancelAllOrders: self.cancel_all,
            c.Batch: self.batch,
            c.BustTrade: self.bust,
        }

    def apply(self, command: c.Command, time_ns: int) -> list[e.Event]:
        """The events of a command but for its balances, which ``balances`` tells."""
        self.now = time_ns
        self.events, self.looked_at = [], 0
        self.involved, self.paid = set(), set()
        try:
            self.handlers[type(command)](command)
        except Refused as refused:
            self.forget_supposed()
            return [refusal(command, refused.reason)]
        except RefusedOrder as refused:
            return [refusal(refused.order, refused.reason)]
        except RefusedBatch as refused:
            assert isinstance(command, c.Batch)
            return [e.BatchRejected(command.account_id, refused.index, refused.reason)]
        except UnknownOld as refused:
            assert isinstance(command, c.ReplaceOrder)
            client_id = client_id_text(command.cancel_client_order_id)
            account = command.order.account_id
            return [e.CancelRejected(account, command.order_id, client_id, refused.reason)]
        self.follow_up()
        return self.events

    # Time

    def due(self) -> list[Due]:
        """Everything that will happen by itself, in the order in which it will."""
        due: list[Due] = []
        for order in self.orders:
            market, expires = self.markets[order.symbol], order.asked.expire_time_ns
            if expires:
                closed = market.status is CLOSED and order.time_in_force is TimeInForce.DAY
                due.append((0 if closed else expires, EXPIRY, order.id))
        for account in self.accounts.values():
            if account.dead_man_ns:
                due.append((account.dead_man_ns, DEAD_MAN, account.id))
        for symbol, market in self.markets.items():
            if market.uncrossing is not None:
                due.append((0, UNCROSS, symbol))
            if market.schedule:
                due.append((market.next_phase_ns, SCHEDULE, symbol))
            if market.phase_end_ns is not None:
                due.append((market.phase_end_ns, PHASE_END, symbol))
            if market.indicate_ns is not None:
                due.append((market.indicate_ns, INDICATION, symbol))
        return sorted(due)  # whose: of one kind, and so of one type

    def next_due_ns(self) -> int:
        return 0 if self.agenda else min((due[0] for due in self.due()), default=NEVER_NS)

    def advance_time(self, command: c.AdvanceTime) -> None:
        """What an earlier command left comes first; then what is due, one after another, until
        something has traded or is left on the agenda."""
        trades = self.trades_so_far
        if self.agenda:
            self.run_agenda()
            if self.agenda and not self.waits_for_uncross():
                return
        for _ in range(self.bounds.timers):
            due = self.due()
            if not due or due[0][0] > self.now:
                return
            self.happen(due[0])
            self.follow_up()
            if self.trades_so_far != trades or self.agenda:
                return

    def happen(self, due: Due) -> None:
        _, rank, whose = due
        if rank == EXPIRY:
            [order] = [order for order in self.orders if order.id == whose]
            self.cancel(order, CancelReason.EXPIRED)
        elif rank == DEAD_MAN:
            assert isinstance(whose, int)
            self.accounts[whose].dead_man_ns = 0
            self.events.append(e.CancelAllAfterFired(whose))
            self.cancel_many(self.open_of(whose), CancelReason.DEAD_MAN)
        else:
            assert isinstance(whose, str)
            self.happen_in_market(rank, whose)

    def happen_in_market(self, rank: int, symbol: str) -> None:
        market = self.markets[symbol]
        if rank == UNCROSS:
            self.go_on_uncrossing(symbol)
        elif rank == SCHEDULE:
            self.follow_schedule(symbol)
        elif rank == PHASE_END:
            self.change_phase(symbol, InstrumentStatus.TRADING, PhaseReason.VOLATILITY_END)
        else:
            market.indicate_ns = None
            self.publish(symbol)
