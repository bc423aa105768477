"""Fees: parts per million of the amount received, in the asset received, rounded up.

An instrument's flat fees hold unless it has a schedule. A schedule's tier is found by what an
account traded in the thirty full UTC days before today, in instruments of the same quote asset
that have a schedule, as maker or taker; what it trades with itself counts for nothing. A negative
maker fee is a rebate, rounded down and paid out of the taker's fee of the same fill.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING

from orderbook.core.terms import FeeTier
from orderbook.core.units import (
    FEE_VOLUME_DAYS,
    MAX_FEE_PPM,
    MAX_FEE_TIERS,
    MAX_SUPPLY_MINOR,
    PPM,
)

if TYPE_CHECKING:
    from orderbook.core.accounts import Account


def fee_minor(received_minor: int, fee_ppm: int) -> int:
    """Fee on ``received_minor``; never more than it, because rates are far below one million."""
    return -(-received_minor * fee_ppm // PPM)


class Volume:
    """What an account traded in one quote asset, by UTC day; older days are forgotten."""

    __slots__ = ("_counted_day", "_counted_minor", "days")

    def __init__(self) -> None:
        self.days: dict[int, int] = {}
        """Minor units by day since the epoch, ascending; at most ``FEE_VOLUME_DAYS`` + 1 days."""
        self._counted_day = -1
        self._counted_minor = 0

    def add(self, day: int, traded_minor: int) -> None:
        """Saturates, so that the count always fits a 64-bit integer."""
        self.days[day] = min(self.days.get(day, 0) + traded_minor, MAX_SUPPLY_MINOR)

    def before(self, day: int) -> int:
        """Traded in the full days before this one."""
        if day != self._counted_day:
            first_day = day - FEE_VOLUME_DAYS
            self.days = {one: minor for one, minor in self.days.items() if one >= first_day}
            self._counted_day = day
            self._counted_minor = sum(self.days.values()) - self.days.get(day, 0)
        return self._counted_minor


class FeeSchedule:
    """The tiers of one instrument."""

    __slots__ = ("_least_volumes_minor", "quote", "tiers")

    def __init__(self, quote: str, tiers: tuple[FeeTier, ...]) -> None:
        self.quote = quote
        self.tiers = tiers
        self._least_volumes_minor = [tier.min_volume_minor for tier in tiers]

    def charge(
        self,
        taker: Account,
        maker: Account,
        received_minor: int,
        paid_minor: int,
        quote_minor: int,
        day: int,
    ) -> tuple[int, int, int]:
        """(taker's fee, maker's fee, maker's rebate) of a fill, which counts from tomorrow on.

        The taker receives ``received_minor``, the maker ``paid_minor``. The rebate is in what the
        taker receives and never more than its fee.
        """
        taker_fee_minor = fee_minor(received_minor, self._tier(taker, day).taker_fee_ppm)
        maker_ppm = self._tier(maker, day).maker_fee_ppm
        self._count(taker, maker, quote_minor, day)
        if maker_ppm < 0:
            return taker_fee_minor, 0, received_minor * -maker_ppm // PPM
        return taker_fee_minor, fee_minor(paid_minor, maker_ppm), 0

    def charge_auction(
        self,
        buyer: Account,
        seller: Account,
        base_minor: int,
        quote_minor: int,
        day: int,
    ) -> tuple[int, int]:
        """(buyer's fee in base, seller's in quote): both pay as makers, at least nothing."""
        buyer_ppm = max(0, self._tier(buyer, day).maker_fee_ppm)
        seller_ppm = max(0, self._tier(seller, day).maker_fee_ppm)
        self._count(buyer, seller, quote_minor, day)
        return fee_minor(base_minor, buyer_ppm), fee_minor(quote_minor, seller_ppm)

    def _tier(self, account: Account, day: int) -> FeeTier:
        volume = account.volumes.get(self.quote)
        traded_minor = 0 if volume is None else volume.before(day)
        return self.tiers[bisect_right(self._least_volumes_minor, traded_minor) - 1]

    def _count(self, one: Account, other: Account, quote_minor: int, day: int) -> None:
        if one is other:
            return
        for account in (one, other):
            volume = account.volumes.get(self.quote)
            if volume is None:
                volume = account.volumes[self.quote] = Volume()
            volume.add(day, quote_minor)


def is_valid(tiers: tuple[FeeTier, ...]) -> bool:
    """Whether these may be a schedule: from volume 0 upwards, no rebate above any taker fee."""
    volumes_minor = [tier.min_volume_minor for tier in tiers]
    if len(tiers) > MAX_FEE_TIERS or volumes_minor != sorted(set(volumes_minor)):
        return False
    lowest_taker_ppm = min((tier.taker_fee_ppm for tier in tiers), default=0)
    return (
        (not tiers or (volumes_minor[0] == 0 and volumes_minor[-1] <= MAX_SUPPLY_MINOR))
        and lowest_taker_ppm >= 0
        and all(
            tier.taker_fee_ppm <= MAX_FEE_PPM
            and -lowest_taker_ppm <= tier.maker_fee_ppm <= MAX_FEE_PPM
            for tier in tiers
        )
    )
