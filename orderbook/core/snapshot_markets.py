"""What a snapshot keeps of an instrument's market besides its orders: phases, auctions, fees.

Timers that follow from the rest of the state are started again on restore.
"""

from msgspec import Struct

from orderbook.core.accounts import Account
from orderbook.core.auction import Auction, Indication
from orderbook.core.book import Book, Session
from orderbook.core.fees import FeeSchedule, Volume
from orderbook.core.terms import FeeTier
from orderbook.core.timers import AT_ONCE_NS, TimerKind, Timers
from orderbook.core.units import InstrumentStatus, PhaseReason

PackedVolumes = list[tuple[str, list[tuple[int, int]]]]
"""(asset, (day, minor units) by day) by asset."""


class PackedAuction(Struct, frozen=True, array_like=True):
    indicated: tuple[int, int, int]
    price_ticks: int
    left_lots: int
    then: InstrumentStatus
    why: PhaseReason


class PackedMarket(Struct, frozen=True, array_like=True):
    schedule: tuple[tuple[int, InstrumentStatus], ...]
    next_phase_ns: int
    fee_tiers: tuple[FeeTier, ...]
    phase_end_ns: int
    """When its volatility auction ends; 0 where none runs."""
    indication_ns: int
    """When its auction publishes next; 0 where it need not."""
    auction: PackedAuction | None


def pack_market(book: Book, timers: Timers) -> PackedMarket:
    symbol, session, fees = book.instrument.symbol, book.session, book.fees
    return PackedMarket(
        () if session is None else session.entries,
        0 if session is None else session.next_ns,
        () if fees is None else fees.tiers,
        timers.time_of(TimerKind.PHASE_END, symbol),
        timers.time_of(TimerKind.INDICATION, symbol),
        None if book.auction is None else _pack_auction(book.auction),
    )


def _pack_auction(auction: Auction) -> PackedAuction:
    return PackedAuction(
        auction.indicated[:],
        auction.price_ticks,
        auction.left_lots,
        auction.then,
        auction.why,
    )


def restore_market(packed: PackedMarket, book: Book, timers: Timers) -> None:
    symbol = book.instrument.symbol
    if packed.schedule:
        book.session = session = Session(packed.schedule, 0)
        session.next_ns = packed.next_phase_ns
        timers.set(TimerKind.SCHEDULE, symbol, session.next_ns)
    if packed.fee_tiers:
        book.fees = FeeSchedule(book.instrument.quote, packed.fee_tiers)
    if packed.phase_end_ns:
        timers.set(TimerKind.PHASE_END, symbol, packed.phase_end_ns)
    if packed.indication_ns:
        timers.set(TimerKind.INDICATION, symbol, packed.indication_ns)
    if packed.auction is not None:
        book.auction = auction = _unpack_auction(packed.auction)
        if auction.left_lots:
            timers.set(TimerKind.UNCROSS, symbol, AT_ONCE_NS)


def _unpack_auction(packed: PackedAuction) -> Auction:
    auction = Auction()
    auction.indicated = Indication(*packed.indicated)
    auction.price_ticks = packed.price_ticks
    auction.left_lots = packed.left_lots
    auction.then = packed.then
    auction.why = packed.why
    return auction


def pack_volumes(account: Account) -> PackedVolumes:
    return [(asset, list(volume.days.items())) for asset, volume in sorted(account.volumes.items())]


def restore_volumes(packed: PackedVolumes, account: Account) -> None:
    for asset, days in packed:
        account.volumes[asset] = volume = Volume()
        volume.days.update(days)
