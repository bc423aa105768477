"""A token bucket for each account, in this process's memory.

Order entry's guard against a runaway client, cheap enough for every order. With several web
processes an account may reach the limit in each of them.
"""

import time
from collections.abc import Callable

from trading.errors import RateLimited

MAX_ACCOUNTS = 50_000
"""Most accounts whose buckets are kept."""


class RateLimit:
    """``per_s`` requests a second for each account, and a burst of one second's worth; 0: no limit.

    A request that carries several commands counts as so many. One that counts for more than a
    second's worth is let through where nothing has been used, and what it took too much is waited
    for by the next. Not locked: a lost update between threads costs or gives one request.
    """

    def __init__(self, per_s: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_s = per_s
        self._clock = clock
        self._buckets: dict[int, tuple[float, float]] = {}
        """account: (requests left, when that was so); below zero where one took too much."""

    def take(self, account_id: int, count: int = 1) -> None:
        """Counts so many requests. Raises RateLimited where the account has fewer left."""
        if not self._per_s:
            return
        now = self._clock()
        left, since = self._buckets.get(account_id, (float(self._per_s), now))
        left = min(float(self._per_s), left + (now - since) * self._per_s)
        if left < min(count, self._per_s):
            raise RateLimited
        if account_id not in self._buckets and len(self._buckets) >= MAX_ACCOUNTS:
            self._forget_unused(now)
        self._buckets[account_id] = (left - count, now)

    def _forget_unused(self, now: float) -> None:
        """Buckets that have filled up again say nothing; if none has, all start anew."""
        self._buckets = {
            account_id: (left, since)
            for account_id, (left, since) in self._buckets.items()
            if left + (now - since) * self._per_s < self._per_s
        }
        if len(self._buckets) >= MAX_ACCOUNTS:
            self._buckets.clear()
