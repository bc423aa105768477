"""One order's life, event by event, as steps.

Fed with the journal's commands in order, from the one that made the order. Keeps of the order only
what it needs to know when it is done, and what the next event means.
"""

from collections.abc import Callable
from typing import Any

from orderbook.core.events import (
    AmendRejected,
    AuctionUncrossed,
    CancelRejected,
    Event,
    IcebergRefreshed,
    OrderAccepted,
    OrderAmended,
    OrderArmed,
    OrderCanceled,
    OrderListAccepted,
    OrderTriggered,
    PhaseChanged,
    SelfTradePrevented,
    StopMoved,
    Trade,
    TradeBusted,
)
from orderbook.core.rejects import MESSAGES
from orderbook.core.units import CancelReason, Side
from orderbook.explanation import words
from orderbook.explanation.amounts import Amounts
from orderbook.explanation.reading import Executed
from orderbook.explanation.steps import Facts, Step

Told = tuple[str, str, Facts]
"""(kind, text, facts)"""


class Story:
    def __init__(self, accepted: OrderAccepted, text: Amounts) -> None:
        self.order = accepted
        self.steps: list[Step] = []
        self.price_ticks = accepted.price_ticks
        self.quantity_lots = accepted.quantity_lots
        self.filled_lots = 0
        self.is_armed = self.is_set_off = False
        self.canceled: CancelReason | None = None
        self.busted = 0
        self._text = text
        self._siblings: tuple[int, ...] = ()
        self._command: Executed | None = None
        self._fills = 0

    @property
    def is_done(self) -> bool:
        return self.canceled is not None or self.filled_lots >= self.quantity_lots

    def hear(self, executed: Executed) -> None:
        self._command = executed
        for event in executed.events:
            tell = _TELLERS.get(type(event))
            told = tell(self, event) if tell is not None else None
            if told is not None:
                self.steps.append(Step(told[0], executed.sequence, executed.time_ns, *told[1:]))

    def _is_mine(self, order_id: int) -> bool:
        return order_id == self.order.order_id

    # Events, in the order in which an order meets them

    def list_accepted(self, event: OrderListAccepted) -> Told | None:
        if self.order.order_id not in event.order_ids:
            return None
        self._siblings = tuple(one for one in event.order_ids if not self._is_mine(one))
        others = ", ".join(str(one) for one in self._siblings)
        kind = event.list_kind.value
        text = f"It belongs to the {kind} list {event.list_id}, with the orders {others}."
        return "list", text, {"list_id": event.list_id, "other_orders": others}

    def accepted(self, event: OrderAccepted) -> Told | None:
        if not self._is_mine(event.order_id):
            return None
        return "accepted", f"The engine accepted it as order {event.order_id}.", {}

    def armed(self, event: OrderArmed) -> Told | None:
        if not self._is_mine(event.order_id):
            return None
        if self.is_set_off:
            self.is_set_off = False
            text = "An auction began before its turn came; it waits for its stop price again."
            return "waits_again", text, {}
        self.is_armed = True
        self.quantity_lots = event.quantity_lots
        quantity = self._text.quantity(event.quantity_lots)
        text = f"The bracket's entry was done; this exit became active for {quantity}."
        return "armed", text, self._text.quantity_facts("quantity", event.quantity_lots)

    def stop_moved(self, event: StopMoved) -> Told | None:
        if not self._is_mine(event.order_id):
            return None
        text = f"Its trailing stop followed the price to {self._text.price(event.stop_ticks)}."
        return "stop_moved", text, self._text.price_facts("stop_price", event.stop_ticks)

    def triggered(self, event: OrderTriggered) -> Told | None:
        if not self._is_mine(event.order_id):
            return None
        self.is_set_off = True
        facts = self._text.price_facts("last_price", event.last_ticks)
        text = f"A last price of {self._text.price(event.last_ticks)} set it off"
        trade = self._trade_at(event.last_ticks, event)
        if trade is not None:
            facts |= {"trade_id": trade.trade_id}
            text += f", made by trade {trade.trade_id}"
        return "triggered", f"{text}; it went to the book.", facts

    def _trade_at(self, price_ticks: int, event: Event) -> Trade | None:
        """The trade of the same command, in the order's instrument, that made this the last price
        before the event: the first one of the last that were made at it in a row."""
        assert self._command is not None
        found, last_ticks = None, 0
        for one in self._command.events:
            if one is event:
                break
            if isinstance(one, Trade) and one.symbol == self.order.symbol:
                if one.price_ticks == price_ticks != last_ticks:
                    found = one
                last_ticks = one.price_ticks
        return found

    def traded(self, event: Trade) -> Told | None:
        is_maker = self._is_mine(event.maker_order_id)
        if not is_maker and not self._is_mine(event.taker_order_id):
            return None
        self.filled_lots += event.quantity_lots
        self._fills += 1
        role = "maker" if is_maker else "taker"
        other_order, other_account = (
            (event.taker_order_id, event.taker_account_id)
            if is_maker
            else (event.maker_order_id, event.maker_account_id)
        )
        text, side = self._text, self.order.side
        fee_minor = event.maker_fee_minor if is_maker else event.taker_fee_minor
        rebate_minor = event.maker_rebate_minor if is_maker else 0
        facts: Facts = {
            "trade_id": event.trade_id,
            "role": role,
            **text.price_facts("price", event.price_ticks),
            **text.quantity_facts("quantity", event.quantity_lots),
            "amount": text.quote(event.quote_minor),
            "fee": text.received(side, fee_minor),
            "fee_minor": fee_minor,
            "rebate": text.given(side, rebate_minor) if rebate_minor else "",
            "counterpart_order": other_order,
            "counterpart_account": other_account,
            "in_auction": "yes" if event.in_auction else "",
            "left": text.quantity(max(0, self.quantity_lots - self.filled_lots)),
        }
        verb = "Bought" if side is Side.BUY else "Sold"
        sentence = (
            f"{verb} {facts['quantity']} at {facts['price']} as {role}, "
            f"with order {other_order} of account {other_account}."
        )
        return "fill", sentence, facts

    def busted_trade(self, event: TradeBusted) -> Told | None:
        trade = event.trade
        if not self._is_mine(trade.maker_order_id) and not self._is_mine(trade.taker_order_id):
            return None
        self.busted += 1
        text = f"The venue busted trade {trade.trade_id}: both sides got back what they gave."
        return "bust", text, {"trade_id": trade.trade_id}

    def refreshed(self, event: IcebergRefreshed) -> Told | None:
        if not self._is_mine(event.order_id):
            return None
        shown = self._text.quantity(event.display_lots)
        text = f"What it showed was filled; the next {shown} went to the back of the queue."
        return "refreshed", text, self._text.quantity_facts("shown", event.display_lots)

    def self_trade(self, event: SelfTradePrevented) -> Told | None:
        mine = (event.maker_order_id, event.taker_order_id)
        if self.order.order_id not in mine:
            return None
        self.quantity_lots -= event.decremented_lots
        other = mine[0] if self._is_mine(mine[1]) else mine[1]
        text = (
            f"It met order {other} of its own account; the rule {event.rule.value}: "
            f"{words.SELF_TRADES[event.rule]}."
        )
        facts: Facts = {"other_order": other, "rule": event.rule.value}
        if event.decremented_lots:
            facts |= self._text.quantity_facts("lost", event.decremented_lots)
        return "self_trade_prevented", text, facts

    def amended(self, event: OrderAmended) -> Told | None:
        if not self._is_mine(event.order_id):
            return None
        self.price_ticks, self.quantity_lots = event.price_ticks, event.quantity_lots
        text = self._text
        facts = {
            **text.price_facts("price", event.price_ticks),
            **text.quantity_facts("quantity", event.quantity_lots),
            **text.quantity_facts("open", event.remaining_lots),
            **text.price_facts("stop_price", event.stop_ticks),
            "kept_priority": "yes" if event.kept_priority else "no",
        }
        place = "kept its place" if event.kept_priority else "went to the back of its queue"
        return "amended", f"It was changed and {place}.", facts

    def amend_rejected(self, event: AmendRejected) -> Told | None:
        return self._request_refused(event, "amend")

    def cancel_rejected(self, event: CancelRejected) -> Told | None:
        return self._request_refused(event, "cancel")

    def _request_refused(self, event: AmendRejected | CancelRejected, what: str) -> Told | None:
        order = self.order
        by_client_id = not event.order_id and (
            (event.account_id, event.client_order_id) == (order.account_id, order.client_order_id)
        )
        if self.is_done or not (self._is_mine(event.order_id) or by_client_id):
            return None
        text = f"A request to {what} it was refused: {MESSAGES[event.reason]}"
        facts = {"code": event.reason.value, "account": event.account_id}
        return f"{what}_refused", text, facts

    def phase_changed(self, event: PhaseChanged) -> Told | None:
        if event.symbol != self.order.symbol or self.is_done:
            return None
        text = f"The market's phase became {event.status.value}, {words.PHASES[event.reason]}."
        return "phase", text, {"phase": event.status.value, "reason": event.reason.value}

    def uncrossed(self, event: AuctionUncrossed) -> Told | None:
        if event.symbol != self.order.symbol or self.is_done:
            return None
        text = self._text
        if not event.price_ticks:
            return "uncrossed", "The auction ended without a trade.", {}
        facts = {
            **text.price_facts("price", event.price_ticks),
            **text.quantity_facts("volume", event.volume_lots),
            **text.quantity_facts("imbalance", event.imbalance_lots),
        }
        return "uncrossed", f"The auction uncrossed at {facts['price']}.", facts

    def order_canceled(self, event: OrderCanceled) -> Told | None:
        if not self._is_mine(event.order_id):
            return None
        self.canceled = event.reason
        assert self._command is not None
        left = self._text.quantity(event.remaining_lots)
        why = words.CANCELS[event.reason]
        facts: Facts = {
            "reason": event.reason.value,
            **self._text.quantity_facts("unfilled", event.remaining_lots),
            "command": type(self._command.command).__name__,
            "from": words.sender(self._command.command),
        }
        if event.reason is CancelReason.OTHER_LEG and (cause := self._cause_in_list(event)):
            facts["cause"] = cause
        return "canceled", f"Canceled with {left} unfilled: {why}.", facts

    def _cause_in_list(self, event: OrderCanceled) -> str:
        """What happened to another order of the list in the same command, before this."""
        assert self._command is not None
        cause = ""
        for one in self._command.events:
            if one is event:
                break
            match one:
                case Trade(maker_order_id=maker, taker_order_id=taker):
                    for order_id in {maker, taker} & set(self._siblings):
                        cause = f"order {order_id} traded (trade {one.trade_id})"
                case OrderTriggered(order_id=order_id) if order_id in self._siblings:
                    cause = f"order {order_id} was set off"
                case OrderCanceled(order_id=order_id) if order_id in self._siblings:
                    cause = f"order {order_id} ended ({one.reason.value})"
        return cause

    def summary(self) -> str:
        """What became of the order, as far as the story went."""
        text = self._text
        filled, asked = text.quantity(self.filled_lots), text.quantity(self.quantity_lots)
        trades = f"{self._fills} trade{'' if self._fills == 1 else 's'}"
        busts = f" {self.busted} of its trades were busted." if self.busted else ""
        if self.canceled is not None:
            return f"Canceled: {words.CANCELS[self.canceled]}. Filled: {filled}.{busts}"
        if self.filled_lots >= self.quantity_lots:
            return f"Filled: {filled} in {trades}.{busts}"
        if self.filled_lots:
            return f"Open: {filled} of {asked} filled in {trades}.{busts}"
        return f"Open: nothing of {asked} is filled yet."


_TELLERS: dict[type[Any], Callable[[Story, Any], Told | None]] = {
    OrderListAccepted: Story.list_accepted,
    OrderAccepted: Story.accepted,
    OrderArmed: Story.armed,
    StopMoved: Story.stop_moved,
    OrderTriggered: Story.triggered,
    Trade: Story.traded,
    TradeBusted: Story.busted_trade,
    IcebergRefreshed: Story.refreshed,
    SelfTradePrevented: Story.self_trade,
    OrderAmended: Story.amended,
    AmendRejected: Story.amend_rejected,
    CancelRejected: Story.cancel_rejected,
    PhaseChanged: Story.phase_changed,
    AuctionUncrossed: Story.uncrossed,
    OrderCanceled: Story.order_canceled,
}
