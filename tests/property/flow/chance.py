"""Choices of a seeded generator, or of Hypothesis in the guise of one, which can shrink them."""

from collections.abc import Callable, Sequence
from random import Random
from typing import TypeVar

T = TypeVar("T")


class Chance:
    def __init__(self, rng: Random) -> None:
        self.rng = rng

    def integer(self, lowest: int, highest: int) -> int:
        return self.rng.randint(lowest, highest)

    def one(self, items: Sequence[T]) -> T:
        return items[self.rng.randint(0, len(items) - 1)]

    def percent(self, often: int) -> bool:
        return self.rng.randint(1, 100) > 100 - often

    def odd(self) -> int:
        """A number that hardly any rule allows."""
        return self.one([-1, 0, 1, 2**31, 10**12, 10**12 + 1, 10**15, 2**62, 2**63 - 1, -(2**63)])

    def usually(self, usual: T, odd: Callable[[], T]) -> T:
        return odd() if self.rng.randint(0, 59) == 59 else usual

    def weighted(self, choices: Sequence[tuple[int, T]]) -> T:
        at = self.rng.randint(1, sum(weight for weight, _ in choices))
        for weight, item in choices:
            at -= weight
            if at <= 0:
                return item
        raise AssertionError(choices)
