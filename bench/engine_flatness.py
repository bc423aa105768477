"""Whether the engine's costs stay flat as its book grows; for bench/bench_engine.py.

Three measurements: an operation with many orders resting against one with few; bytes of memory a
resting order; and a cancel anywhere in a long queue against one at its head.
"""

import gc
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import psutil

from bench.engine_flow import (
    MIDDLE_TICKS,
    PASSIVE_ACCOUNTS,
    PASSIVE_RANGE_TICKS,
    OpenOrders,
    Operation,
    command_of,
    funded_engine,
    next_operation,
)
from orderbook.core.commands import Command
from orderbook.core.engine import Engine

LEVELS_A_SIDE = 1_000
"""Prices behind the flow's own ones, on which the large book's orders rest."""
CHUNK = 500

Progress = Callable[[str], None]


def resting_orders(count: int) -> Iterator[Command]:
    """Orders that rest behind the flow's own prices, on up to LEVELS_A_SIDE levels a side."""
    levels = max(1, min(LEVELS_A_SIDE, count // 20))
    for number in range(count):
        is_buy = number % 2 == 0
        offset_ticks = PASSIVE_RANGE_TICKS + 1 + number // 2 % levels
        price_ticks = MIDDLE_TICKS + (-offset_ticks if is_buy else offset_ticks)
        account_id = PASSIVE_ACCOUNTS[number % len(PASSIVE_ACCOUNTS)]
        yield command_of(Operation(0, account_id, is_buy, price_ticks, 10))


def bytes_an_order(count: int) -> float:
    """Growth of this process's resident memory while the orders come to rest, an order."""
    engine = funded_engine()
    gc.collect()
    before: int = psutil.Process().memory_info().rss
    for number, command in enumerate(resting_orders(count)):
        engine.apply(command, number)
    gc.collect()
    after: int = psutil.Process().memory_info().rss
    return (after - before) / count


def memory(count: int, progress: Progress) -> dict[str, float]:
    """As ``bytes_an_order``, in a fresh process, where no memory freed earlier is used again."""
    progress(f"memory of {count:,} resting orders")
    done = subprocess.run(
        [sys.executable, "-m", __spec__.name, str(count)], stdout=subprocess.PIPE, check=True
    )
    return {"bytes_a_resting_order": round(float(done.stdout))}


class GrownBook:
    """An engine whose book was filled with resting orders, and which the flow then goes through."""

    def __init__(self, resting: int, seed: int) -> None:
        self.rng = random.Random(seed)
        self.open_orders = OpenOrders()
        self.engine = funded_engine()
        self.time_ns = 0
        for command in resting_orders(resting):
            self.open_orders.follow(self.engine.apply(command, self.time_ns))

    def chunk_ns(self) -> float:
        """Nanoseconds an operation, over the next few operations of the flow."""
        spent_ns = 0
        clock = time.perf_counter_ns
        for _ in range(CHUNK):
            operation = next_operation(self.rng, self.open_orders)
            command = command_of(operation)
            self.time_ns += 1
            start = clock()
            events = self.engine.apply(command, self.time_ns)
            spent_ns += clock() - start
            self.open_orders.follow(events)
        return spent_ns / CHUNK


def growth(few: int, many: int, operations: int, progress: Progress) -> dict[str, float]:
    """The same flow through both books by turns, so that the machine's noise meets both."""
    progress(f"filling a book with {many:,} orders")
    large = GrownBook(many, 1)
    small = GrownBook(few, 1)
    gc.collect()
    gc.freeze()
    small_ns, large_ns = [], []
    chunks = max(1, operations // CHUNK)
    for number in range(chunks):
        progress(f"operations with {few:,} and {many:,} resting: {100 * number // chunks} %")
        small_ns.append(small.chunk_ns())
        large_ns.append(large.chunk_ns())
    gc.unfreeze()
    few_ns, many_ns = statistics.median(small_ns), statistics.median(large_ns)
    return {
        "resting_few": few,
        "resting_many": many,
        "operation_ns_few": round(few_ns),
        "operation_ns_many": round(many_ns),
        "growth_ratio": round(many_ns / few_ns, 3),
    }


def queue_cancels(length: int, cancels: int, progress: Progress) -> dict[str, float]:
    """Cancels at the head of a level's queue against cancels elsewhere in it.

    Orders that came one after another lie side by side in memory; those chosen at random do not,
    and the processor waits for each of them. That price is the memory's and is given by itself.
    """
    progress(f"cancels in a level of {length:,} orders")
    count = min(cancels, length // 2)
    shuffled = list(range(1, length + 1))
    random.Random(1).shuffle(shuffled)
    middle = (length - count) // 2
    choices = {
        "head": list(range(1, count + 1)),
        "middle": list(range(middle + 1, middle + count + 1)),
        "tail": list(range(length, length - count, -1)),
        "random": shuffled[:count],
    }
    engines = {name: _queue(length) for name in choices}
    spent_ns: dict[str, list[float]] = {name: [] for name in choices}
    for start in range(0, count, CHUNK):
        for name, order_ids in choices.items():
            spent_ns[name].append(_cancel_ns(engines[name], order_ids[start : start + CHUNK]))
    medians = {name: statistics.median(values) for name, values in spent_ns.items()}
    return {
        "queue_length": length,
        **{f"cancel_ns_{name}": round(value) for name, value in medians.items()},
        "cancel_ratio": round(max(medians["middle"], medians["tail"]) / medians["head"], 3),
        "cancel_ratio_random": round(medians["random"] / medians["head"], 3),
    }


def _owner(order_id: int) -> int:
    return PASSIVE_ACCOUNTS[order_id % len(PASSIVE_ACCOUNTS)]


def _queue(length: int) -> Engine:
    engine = funded_engine()
    for order_id in range(1, length + 1):
        operation = Operation(order_id, _owner(order_id), True, MIDDLE_TICKS, 10)
        engine.apply(command_of(operation), order_id)
    return engine


def _cancel_ns(engine: Engine, order_ids: list[int]) -> float:
    commands = [command_of(Operation(order_id, _owner(order_id))) for order_id in order_ids]
    time_ns = engine.time_ns
    apply = engine.apply
    start = time.perf_counter_ns()
    for command in commands:
        apply(command, time_ns)
    return (time.perf_counter_ns() - start) / len(commands)


if __name__ == "__main__":
    print(bytes_an_order(int(sys.argv[1])))
