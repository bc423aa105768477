"""Calls that need the database, for those who cannot be interrupted by its absence."""

from collections.abc import Callable
from typing import Protocol, TypeVar

T = TypeVar("T")


class Attempt(Protocol):
    """Calls the action, perhaps again and again, until it succeeds."""

    def __call__(self, action: Callable[[], T]) -> T: ...


def once(action: Callable[[], T]) -> T:
    return action()
