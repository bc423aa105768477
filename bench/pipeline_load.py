"""The gateway's process of bench_pipeline: client programs and the gateway that they share.

Started by bench_pipeline with a venue's environment; standard input has the plan as one JSON
object, standard output gets one JSON object a line: a ``Sample`` for each measurement, and last
``{"consistent": ...}``, or ``{"failed": ...}`` where the venue did not answer a batch in time.
"""

import asyncio
import json
import sys
import time
from collections import deque
from contextlib import suppress
from typing import Any, NamedTuple

import django
import msgspec
import psutil

from bench.pipeline_flow import Flow, start_commands
from orderbook.core.commands import Command

MIN_ORDERS = 2_000
MAX_ORDERS = 60_000
ORDERS_A_BATCH = 200
"""A measurement takes so many batches, within the two limits of orders."""


class Plan(msgspec.Struct):
    batch_sizes: list[int]
    rounds: int
    clients: int
    seed: int
    pids: dict[str, int]
    """Processes beside this one whose CPU time is counted, by name."""


class Sample(msgspec.Struct):
    """One measurement of one batch size."""

    batch_size: int
    orders: int
    seconds: float
    p50_ms: float
    p99_ms: float
    cpu_us_per_order: dict[str, float]


class _Clients(NamedTuple):
    """What the clients of one measurement have to send, and what came back."""

    batches: deque[list[Command]]
    answers: list[list[Any]]
    latencies_s: list[float]


def orders_of(batch_size: int) -> int:
    """Orders of one measurement: whole batches."""
    wanted = min(max(batch_size * ORDERS_A_BATCH, MIN_ORDERS), MAX_ORDERS)
    return -(-wanted // batch_size) * batch_size


class Load:
    def __init__(self, plan: Plan, gateway: Any) -> None:
        self._plan = plan
        self._gateway = gateway
        self._flow = Flow(plan.seed)
        self._processes = {name: psutil.Process(pid) for name, pid in plan.pids.items()}
        self._sequence = 0
        self.consistent = True

    async def fund(self) -> None:
        for command in start_commands():
            answer = await self._gateway.submit(command)
            self._sequence = answer.sequence

    async def measure(self, batch_size: int) -> Sample:
        # On a thread: the gateway's loop must not stand still, also between two measurements.
        commands, expected = await asyncio.to_thread(self._flow.take, orders_of(batch_size))
        starts = range(0, len(commands), batch_size)
        work = _Clients(deque(commands[at : at + batch_size] for at in starts), [], [])
        before, started = self._cpu_s(), time.perf_counter()
        await asyncio.gather(*(self._client(work) for _ in range(self._plan.clients)))
        seconds = time.perf_counter() - started
        after = self._cpu_s()
        await asyncio.to_thread(self._compare, work.answers, expected)
        ordered = sorted(work.latencies_s)
        return Sample(
            batch_size,
            len(commands),
            seconds,
            _nearest_rank_ms(ordered, 50),
            _nearest_rank_ms(ordered, 99),
            {name: (after[name] - before[name]) * 1e6 / len(commands) for name in after},
        )

    async def _client(self, work: _Clients) -> None:
        """One program: hands over a batch, waits for its answers, then takes the next."""
        clock = time.perf_counter
        while work.batches:
            batch = work.batches.popleft()
            place = len(work.answers)
            work.answers.append([])
            started = clock()
            answers = await self._gateway.submit_many(batch)
            work.latencies_s.append(clock() - started)
            work.answers[place] = answers

    def _compare(self, answers: list[list[Any]], expected: list[list[Any]]) -> None:
        """Every answer has the next sequence and the events that the core alone gives."""
        given = [answer for batch in answers for answer in batch]
        for answer, events in zip(given, expected, strict=True):
            self._sequence += 1
            if answer.sequence != self._sequence or answer.events != events:
                self.consistent = False

    def _cpu_s(self) -> dict[str, float]:
        """CPU seconds of each part with its children; the gateway's is this process."""
        spent = {"gateway": time.process_time()}
        for name, process in self._processes.items():
            family = [process, *process.children(recursive=True)]
            spent[name] = 0.0
            for member in family:
                with suppress(psutil.NoSuchProcess):  # the fork of a snapshot ended meanwhile
                    times = member.cpu_times()
                    spent[name] += times.user + times.system
        return spent

    async def finish(self) -> None:
        """The journal must hold what was answered, and nothing else."""
        from orderbook import journal

        if await asyncio.to_thread(journal.last_sequence) != self._sequence:
            self.consistent = False


def _nearest_rank_ms(ordered: list[float], per_cent: int) -> float:
    return ordered[-(-len(ordered) * per_cent // 100) - 1] * 1_000


async def _run(plan: Plan) -> None:
    from orderbook import garbage
    from orderbook.gateway.gateway import Gateway

    gateway = Gateway()
    await gateway.start()
    load = Load(plan, gateway)
    await load.fund()
    garbage.settle()
    await load.measure(plan.batch_sizes[-1])  # Warm: caches, connections, prepared statements.
    for _ in range(plan.rounds):
        for batch_size in plan.batch_sizes:
            _tell(msgspec.to_builtins(await load.measure(batch_size)))
    await load.finish()
    await gateway.stop()
    _tell({"consistent": load.consistent})


def _tell(value: Any) -> None:
    print(json.dumps(value), flush=True)


def main() -> None:
    plan = msgspec.json.decode(sys.stdin.buffer.read(), type=Plan)
    django.setup()
    from orderbook import event_loop
    from orderbook.errors import VenueError

    try:
        event_loop.run(_run(plan))
    except VenueError as error:
        # More than a batch may have been lost, so what follows could not be compared.
        _tell({"failed": str(error)})


if __name__ == "__main__":
    main()
