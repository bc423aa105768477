"""The channel layer: queues outside of every process, which lose, double, delay and reorder.

In the place of both layers of the product. What happens to which message is in the plan: the
``n``-th message of a link has the fault. Everything else arrives in order after a short way.
"""

import asyncio
import random
from collections import defaultdict, deque
from collections.abc import Callable
from typing import Any

from channels.exceptions import ChannelFull

from tests.simulation.loop import Process, SimulatedLoop, current_process
from tests.simulation.plan import MessageFault

WAY_S = 0.0003
"""Shortest time of a message's way; up to twice this is drawn from the seed."""
CAPACITY = 10_000

_LINK = {
    "commands": "commands",
    "replies": "replies",
    "query": "queries",
    "query.result": "queries",
}


class _Channel:
    def __init__(self) -> None:
        self.messages: deque[dict[str, Any]] = deque()
        self.readers: deque[tuple[Process, asyncio.Future[dict[str, Any]]]] = deque()
        self.last_arrival = 0.0

    def put(self, message: dict[str, Any]) -> None:
        self.messages.append(message)
        self.hand_over()

    def hand_over(self) -> None:
        while self.messages and self.readers:
            process, future = self.readers.popleft()
            if not future.done() and process.alive:
                future.set_result(self.messages.popleft())


class Network:
    """``on_send(link, process, message)`` sees every message before its fate is decided."""

    def __init__(self, loop: SimulatedLoop, rng: random.Random, faults: list[MessageFault]) -> None:
        self._loop = loop
        self._rng = rng
        self._faults = {(fault.link, fault.number): fault for fault in faults}
        self._channels: dict[str, _Channel] = defaultdict(_Channel)
        self._groups: dict[str, dict[str, Process]] = defaultdict(dict)
        self._sent: dict[str, int] = defaultdict(int)
        self._names = 0
        self.over = False
        self.healed = False
        self.last_arrival = 0.0
        """When the last message that is under way arrives."""
        self.forgetting = False
        """Whether what is stored in a queue is gone at once, as of a server that starts again."""
        self.refusing = ""
        """How the queue's server fails at the moment; "" where it works."""
        self.on_send: Callable[[str, Process, dict[str, Any]], None] = lambda *args: None
        self.on_refusal: Callable[[str], None] = lambda kind: None
        self.on_fault: Callable[[MessageFault, dict[str, Any]], None] = lambda *args: None

    # -- the interface of a channel layer -----------------------------------------------------

    async def new_channel(self, prefix: str = "specific.") -> str:
        self._names += 1
        return f"{prefix}.simulated!{self._names}"

    async def receive(self, channel: str) -> dict[str, Any]:
        self._check_over()
        future = self._loop.create_future()
        self._channels[channel].readers.append((_process(), future))
        self._channels[channel].hand_over()
        message: dict[str, Any] = await future
        return message

    async def send(self, channel: str, message: dict[str, Any]) -> None:
        self._check_over()
        link = _LINK[message["type"]]
        await self._reach_server(channel, message)
        self.on_send(link, _process(), message)
        self._dispatch(link, channel, message)

    async def group_add(self, group: str, channel: str) -> None:
        self._check_over()
        self._groups[group][channel] = _process()

    async def group_discard(self, group: str, channel: str) -> None:
        self._groups[group].pop(channel, None)

    async def group_send(self, group: str, message: dict[str, Any]) -> None:
        self._check_over()
        if self.refusing:
            await self._fail(None, message)
        self.on_send("publications", _process(), message)
        for channel, process in self._groups[group].items():
            if process.alive:
                self._dispatch("publications", channel, message)

    # -- the server ---------------------------------------------------------------------------

    def _check_over(self) -> None:
        if self.over:
            raise ConnectionError("the simulation is over")

    async def _reach_server(self, channel: str, message: dict[str, Any]) -> None:
        if self.refusing:
            await self._fail(channel, message)
        if len(self._channels[channel].messages) >= CAPACITY:
            raise ChannelFull

    async def _fail(self, channel: str | None, message: dict[str, Any]) -> None:
        self.on_refusal(self.refusing)
        if self.refusing == "queue full":
            raise ChannelFull
        if self.refusing == "queue hangs":
            await asyncio.sleep(3_600)
        if self.refusing == "queue dies after delivery" and channel is not None:
            self.on_send(_LINK[message["type"]], _process(), message)
            self._channels[channel].put(dict(message))
        raise ConnectionRefusedError(111, "Connect call failed")

    def _dispatch(self, link: str, channel: str, message: dict[str, Any]) -> None:
        self._sent[link] += 1
        if self.forgetting and link != "publications":
            self.on_refusal("queue emptied")
            return
        fault = None if self.healed else self._faults.get((link, self._sent[link]))
        if fault is not None:
            self.on_fault(fault, message)
        if fault is None or fault.kind == "message doubled":
            self._deliver(channel, message, 0.0, in_order=True)
        if fault is not None and fault.kind != "message lost":
            self._deliver(channel, message, fault.delay_ms / 1e3, in_order=False)

    def _deliver(
        self, channel_name: str, message: dict[str, Any], delay_s: float, *, in_order: bool
    ) -> None:
        channel = self._channels[channel_name]
        arrival = self._loop.time() + WAY_S * (1 + self._rng.random()) + delay_s
        if in_order:
            arrival = channel.last_arrival = max(arrival, channel.last_arrival)
        if delay_s:
            self.last_arrival = max(self.last_arrival, arrival)
        outside = self._loop.outside_context
        self._loop.call_at(arrival, channel.put, dict(message), context=outside)


def _process() -> Process:
    process = current_process()
    assert process is not None
    return process
