"""Latencies in buckets of fixed, logarithmic width: an add costs the same for one record or many.

No clock: the caller says what time it is. Percentiles are upper ends of buckets, at most 1/32 above
the true value; the greatest latency is exact.
"""

from collections import deque
from typing import Final

import numpy as np

from market.feeds.serving.messages import LatencyStats

SUB_BUCKET_BITS: Final = 5
"""Buckets in each doubling: 32."""
BUCKET_COUNT: Final = 64 << SUB_BUCKET_BITS
RECENT_SLICES: Final = 10
SLICE_NS: Final = 10**9


def bucket_of(latency_us: int) -> int:
    """Values below 32 have a bucket of their own; below 0 (a clock set back) counts as 0."""
    if latency_us < 1 << SUB_BUCKET_BITS:
        return max(latency_us, 0)
    shift = latency_us.bit_length() - SUB_BUCKET_BITS - 1
    return (shift << SUB_BUCKET_BITS) + (latency_us >> shift)


def upper_end_us(bucket: int) -> int:
    """Greatest value that falls into the bucket."""
    if bucket < 2 << SUB_BUCKET_BITS:
        return bucket
    shift = (bucket >> SUB_BUCKET_BITS) - 1
    return (((bucket - (shift << SUB_BUCKET_BITS)) + 1) << shift) - 1


class Histogram:
    def __init__(self) -> None:
        self.counts = np.zeros(BUCKET_COUNT, np.int64)
        self.max_us = 0

    def add(self, latency_us: int, record_count: int) -> None:
        self.counts[bucket_of(latency_us)] += record_count
        self.max_us = max(self.max_us, latency_us)

    def merge(self, other: "Histogram") -> None:
        self.counts += other.counts
        self.max_us = max(self.max_us, other.max_us)

    def stats(self) -> LatencyStats:
        cumulated = np.cumsum(self.counts)
        total = int(cumulated[-1])

        def percentile(per_mille: int) -> int:
            rank = -(-total * per_mille // 1_000)
            bucket = int(np.searchsorted(cumulated, rank)) if total else 0
            return min(upper_end_us(bucket), self.max_us)

        return LatencyStats(total, percentile(500), percentile(990), percentile(999), self.max_us)


class Latencies:
    """Of the whole run, and of its last ``RECENT_SLICES`` seconds."""

    def __init__(self) -> None:
        self.overall = Histogram()
        self._slices: deque[tuple[int, Histogram]] = deque(maxlen=RECENT_SLICES)

    def add(self, latency_us: int, record_count: int, now_ns: int) -> None:
        self.overall.add(latency_us, record_count)
        second = now_ns // SLICE_NS
        if not self._slices or self._slices[-1][0] != second:
            self._slices.append((second, Histogram()))
        self._slices[-1][1].add(latency_us, record_count)

    def recent(self, now_ns: int) -> LatencyStats:
        oldest = now_ns // SLICE_NS - RECENT_SLICES
        merged = Histogram()
        for second, histogram in tuple(self._slices):
            if second > oldest:
                merged.merge(histogram)
        return merged.stats()
