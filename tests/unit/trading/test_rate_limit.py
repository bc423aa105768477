import pytest

from trading import rate_limit
from trading.errors import RateLimited
from trading.rate_limit import RateLimit


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def taken(limit: RateLimit, account: int, tries: int) -> int:
    """How many of the tries were let through."""
    count = 0
    for _ in range(tries):
        try:
            limit.take(account)
        except RateLimited:
            continue
        count += 1
    return count


def test_a_burst_then_a_steady_rate() -> None:
    clock = Clock()
    limit = RateLimit(10, clock)
    assert taken(limit, 1, 15) == 10
    clock.now += 0.5
    assert taken(limit, 1, 15) == 5
    clock.now += 60
    assert taken(limit, 1, 15) == 10


def test_several_commands_count_as_so_many() -> None:
    clock = Clock()
    limit = RateLimit(10, clock)
    limit.take(1, 7)
    with pytest.raises(RateLimited):
        limit.take(1, 4)
    limit.take(1, 3)
    assert taken(limit, 1, 5) == 0
    clock.now += 0.5
    with pytest.raises(RateLimited):
        limit.take(1, 6)
    limit.take(1, 5)


def test_more_than_a_seconds_worth_is_let_through_and_waited_for() -> None:
    clock = Clock()
    limit = RateLimit(10, clock)
    limit.take(1, 50)
    clock.now += 4
    assert taken(limit, 1, 1) == 0
    clock.now += 0.5
    assert taken(limit, 1, 9) == 5


def test_accounts_do_not_share() -> None:
    limit = RateLimit(3, Clock())
    assert taken(limit, 1, 9) == 3
    assert taken(limit, 2, 9) == 3


def test_zero_is_no_limit() -> None:
    assert taken(RateLimit(0, Clock()), 1, 1_000) == 1_000


def test_the_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rate_limit, "MAX_ACCOUNTS", 5)
    clock = Clock()
    limit = RateLimit(10, clock)
    for account in range(100):
        clock.now += 0.05
        assert taken(limit, account, 1) == 1
        assert len(limit._buckets) <= 5
    clock.now += 0.01
    for account in range(200, 206):
        assert taken(limit, account, 20) == 10
