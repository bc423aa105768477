"""What operators do to what is done already: a bust undoes a trade with a compensating entry.

The trade comes with the command, as the journal has it, because the engine remembers none. It is
held against what the engine knows; whoever sends it vouches for the rest.
"""

from collections import Counter

from orderbook.core.commands import BustTrade
from orderbook.core.events import Event, Trade, TradeBusted
from orderbook.core.refusals import command_rejected
from orderbook.core.rejects import RejectReason
from orderbook.core.text import symbol_or_blank
from orderbook.core.units import FEE_ACCOUNT_ID, Side
from orderbook.core.venue import Venue

_Returned = dict[tuple[int, str], int]
"""By (account id, asset): minor units that it gets (or, negative, gives) back."""


class Operations:
    __slots__ = ("_venue",)

    def __init__(self, venue: Venue) -> None:
        self._venue = venue

    def bust(self, command: BustTrade, events: list[Event]) -> None:
        """Both sides and the fee account give back what they received, or nothing happens.

        Prices, fee volumes and orders stay as they are.
        """
        trade = command.trade
        returned = _returned(trade)
        reason = self._refuse(trade, returned)
        if reason is not None:
            events.append(command_rejected(0, command, symbol_or_blank(trade.symbol), reason))
            return
        venue = self._venue
        venue.busted_trade_ids.add(trade.trade_id)
        for (account_id, asset), amount_minor in sorted(returned.items()):
            balance = venue.registry.by_id[account_id].balance(asset)
            if amount_minor > 0:
                venue.ledger.credit(balance, amount_minor)
            elif amount_minor:
                venue.ledger.debit(balance, -amount_minor)
        events.append(TradeBusted(trade))

    def _refuse(self, trade: Trade, returned: _Returned) -> RejectReason | None:
        venue = self._venue
        if not self._is_possible(trade):
            return RejectReason.UNKNOWN_TRADE
        if trade.trade_id in venue.busted_trade_ids:
            return RejectReason.ALREADY_BUSTED
        for (account_id, asset), amount_minor in returned.items():
            balance = venue.registry.by_id[account_id].balances.get(asset)
            if (0 if balance is None else balance.available_minor) + amount_minor < 0:
                return RejectReason.INSUFFICIENT_BALANCE
        return None

    def _is_possible(self, trade: Trade) -> bool:
        """Whether the engine may have made this trade, as far as it still knows."""
        venue = self._venue
        book = venue.books.get(trade.symbol)
        if book is None or not 0 < trade.trade_id < venue.next_trade_id:
            return False
        instrument = book.instrument
        parties = (trade.maker_account_id, trade.taker_account_id)
        orders = (trade.maker_order_id, trade.taker_order_id)
        if trade.taker_side is Side.BUY:
            received_minor, paid_minor = trade.base_minor, trade.quote_minor
        else:
            received_minor, paid_minor = trade.quote_minor, trade.base_minor
        return (
            (trade.base, trade.quote) == (instrument.base, instrument.quote)
            and trade.price_ticks > 0
            and trade.quantity_lots > 0
            and trade.base_minor == trade.quantity_lots * instrument.lot_minor
            and trade.quote_minor
            == trade.price_ticks * trade.quantity_lots * instrument.tick_lot_minor
            and all(one != FEE_ACCOUNT_ID and one in venue.registry.by_id for one in parties)
            and all(0 < one < venue.next_order_id for one in orders)
            and 0 <= trade.maker_fee_minor <= paid_minor
            and 0 <= trade.maker_rebate_minor <= trade.taker_fee_minor <= received_minor
        )


def _returned(trade: Trade) -> _Returned:
    """Sums to zero in each asset."""
    if trade.taker_side is Side.BUY:
        received, received_minor = trade.base, trade.base_minor
        paid, paid_minor = trade.quote, trade.quote_minor
    else:
        received, received_minor = trade.quote, trade.quote_minor
        paid, paid_minor = trade.base, trade.base_minor
    taker, maker = trade.taker_account_id, trade.maker_account_id
    returned: Counter[tuple[int, str]] = Counter()
    returned[taker, received] -= received_minor - trade.taker_fee_minor
    returned[taker, paid] += paid_minor
    returned[maker, received] += received_minor - trade.maker_rebate_minor
    returned[maker, paid] -= paid_minor - trade.maker_fee_minor
    returned[FEE_ACCOUNT_ID, received] -= trade.taker_fee_minor - trade.maker_rebate_minor
    returned[FEE_ACCOUNT_ID, paid] -= trade.maker_fee_minor
    return returned
