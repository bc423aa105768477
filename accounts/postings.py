"""What an event means for the ledger: pure functions from journal records to postings.

Used by the projection for the table and by selectors for the part of the journal that the table
does not have yet, so that both always say the same.
"""

from collections.abc import Iterator
from typing import NamedTuple

from accounts.models import EXTERNAL_ACCOUNT_ID, LedgerEntry
from orderbook.core.events import Deposited, Trade, TradeBusted, Withdrawn
from orderbook.core.units import FEE_ACCOUNT_ID, Side
from orderbook.projections import Recorded

PLACES_PER_COMMAND = 2**24
"""Room for postings of one command: 1.6 million trades; leaves 2**39 for sequences."""
POSTINGS_PER_EVENT = 10
"""Most postings of one event: a trade with fees on both sides, or with a fee and a rebate."""


class Posting(NamedTuple):
    """Fields as in ``LedgerEntry``, in the order in which rows are written."""

    id: int
    time_ns: int
    account_id: int
    asset: str
    amount_minor: int
    kind: str
    reference: str

    @property
    def sequence(self) -> int:
        return self.id // PLACES_PER_COMMAND


def place_id(sequence: int, place: int) -> int:
    """The id of the row that stands for a place within a command. Ids grow with the journal."""
    if not 0 <= place < PLACES_PER_COMMAND:
        raise OverflowError(f"command {sequence} has more events than a row id can tell apart")
    return sequence * PLACES_PER_COMMAND + place


def postings_of(record: Recorded) -> Iterator[Posting]:
    """The event's postings, which sum to zero in each asset; none for most events."""
    event = record.event
    if isinstance(event, Trade):
        legs, reference = _trade_legs(event), str(event.trade_id)
    elif isinstance(event, TradeBusted):
        legs, reference = _bust_legs(event.trade), str(event.trade.trade_id)
    elif isinstance(event, Deposited):
        legs = _transfer_legs(event, event.amount_minor, _DEPOSIT)
        reference = event.reference
    elif isinstance(event, Withdrawn):
        legs = _transfer_legs(event, -event.amount_minor, _WITHDRAWAL)
        reference = event.reference
    else:
        return
    first_id = place_id(record.sequence, record.index * POSTINGS_PER_EVENT)
    for row_id, leg in enumerate(legs, first_id):
        yield Posting(row_id, record.time_ns, *leg, reference)


_TRADE = str(LedgerEntry.Kind.TRADE)
_FEE = str(LedgerEntry.Kind.FEE)
_REBATE = str(LedgerEntry.Kind.REBATE)
_BUST = str(LedgerEntry.Kind.BUST)
_DEPOSIT = str(LedgerEntry.Kind.DEPOSIT)
_WITHDRAWAL = str(LedgerEntry.Kind.WITHDRAWAL)

_Leg = tuple[int, str, int, str]
"""(account_id, asset, amount_minor, kind)"""


def _transfer_legs(event: Deposited | Withdrawn, amount_minor: int, kind: str) -> Iterator[_Leg]:
    yield event.account_id, event.asset, amount_minor, kind
    yield EXTERNAL_ACCOUNT_ID, event.asset, -amount_minor, kind


def _bust_legs(trade: Trade) -> Iterator[_Leg]:
    """Everything that the trade moved, moved back."""
    for account_id, asset, amount_minor, _ in _trade_legs(trade):
        yield account_id, asset, -amount_minor, _BUST


def _trade_legs(trade: Trade) -> Iterator[_Leg]:
    """A fee or a rebate of zero is not posted."""
    if trade.taker_side is Side.BUY:
        buyer, buyer_fee = trade.taker_account_id, trade.taker_fee_minor
        seller, seller_fee = trade.maker_account_id, trade.maker_fee_minor
    else:
        buyer, buyer_fee = trade.maker_account_id, trade.maker_fee_minor
        seller, seller_fee = trade.taker_account_id, trade.taker_fee_minor
    yield buyer, trade.base, trade.base_minor, _TRADE
    yield buyer, trade.quote, -trade.quote_minor, _TRADE
    yield seller, trade.base, -trade.base_minor, _TRADE
    yield seller, trade.quote, trade.quote_minor, _TRADE
    if buyer_fee:
        yield buyer, trade.base, -buyer_fee, _FEE
        yield FEE_ACCOUNT_ID, trade.base, buyer_fee, _FEE
    if seller_fee:
        yield seller, trade.quote, -seller_fee, _FEE
        yield FEE_ACCOUNT_ID, trade.quote, seller_fee, _FEE
    if trade.maker_rebate_minor:
        received = trade.base if trade.taker_side is Side.BUY else trade.quote
        yield trade.maker_account_id, received, trade.maker_rebate_minor, _REBATE
        yield FEE_ACCOUNT_ID, received, -trade.maker_rebate_minor, _REBATE
