"""How many messages and orders an account sends in a second, where it has a limit.

Seconds are fixed windows of the command's time: nothing has to be kept but the window's count.
"""

from orderbook.core.rejects import RejectReason
from orderbook.core.units import SECOND_NS


class RateLimits:
    """One account's limits and its counts in the last second in which it sent anything."""

    __slots__ = ("messages", "messages_per_second", "orders", "orders_per_second", "second")

    def __init__(self, orders_per_second: int, messages_per_second: int) -> None:
        """0: no limit."""
        self.orders_per_second = orders_per_second
        self.messages_per_second = messages_per_second
        self.second = 0
        """Which second since the epoch the counts are of."""
        self.orders = 0
        self.messages = 0

    def take(self, messages: int, orders: int, time_ns: int) -> RejectReason | None:
        """Counts messages, and the new orders that are in them, or refuses all of them.

        What is refused for its orders counts as messages; what has no limit is not counted.
        """
        second = time_ns // SECOND_NS
        if second != self.second:
            self.second = second
            self.orders = self.messages = 0
        limit = self.messages_per_second
        if limit:
            if self.messages + messages > limit:
                return RejectReason.TOO_MANY_MESSAGES_A_SECOND
            self.messages += messages
        limit = self.orders_per_second
        if limit and orders:
            if self.orders + orders > limit:
                return RejectReason.TOO_MANY_ORDERS_A_SECOND
            self.orders += orders
        return None
