"""What the product reaches outside of itself for, replaced for the length of a run: clocks,
randomness, threads, channel layers, databases and the leader's lock."""

import logging
import os
import random
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

from channels.layers import channel_layers
from django.test import override_settings

from orderbook import journal
from orderbook.core.engine import Engine
from orderbook.core.snapshot import snapshot
from orderbook.gateway import tail
from orderbook.worker import snapshots
from orderbook.worker.journal_writer import JournalWriter
from tests.simulation.database import DatabaseServer, databases
from tests.simulation.loop import Clock, SimulatedLoop, current_process
from tests.simulation.network import Network

SETTINGS = {"COMMAND_DEADLINE_S": 5.0, "JOURNAL_DATABASE": "journal"}
PRODUCT = ("accounts", "market", "orderbook", "trading")


class SimulatedTime:
    """In the place of the module ``time``: the wall clock of the process's host, and one clock
    for everything that counts elapsed time."""

    def __init__(self, loop: SimulatedLoop) -> None:
        self._loop = loop
        self._right = Clock()

    def __getattr__(self, name: str) -> Any:
        return getattr(time, name)

    def time_ns(self) -> int:
        process = current_process()
        return (process.clock if process else self._right).time_ns(self._loop.time())

    def time(self) -> float:
        return self.time_ns() / 1e9

    def monotonic_ns(self) -> int:
        return round(self._loop.time() * 1e9)

    def monotonic(self) -> float:
        return self._loop.time()

    perf_counter = monotonic

    def sleep(self, seconds: float) -> None:
        raise AssertionError("a process of the simulation must not block")


class PackedAtOnce:
    """In the place of the fork that packs a snapshot."""

    def __init__(self, engine: Engine) -> None:
        self._state = snapshot(engine)

    def result(self) -> bytes:
        return self._state

    def discard(self) -> None:
        """Nothing has to be ended."""


@contextmanager
def patched_product(
    loop: SimulatedLoop,
    network: Network,
    server: DatabaseServer,
    make_thread: Any,
    rng: random.Random,
    snapshot_every: int,
) -> Iterator[None]:
    with ExitStack() as stack:
        clock = SimulatedTime(loop)
        for name, module in list(sys.modules.items()):
            if name.split(".")[0] in PRODUCT:
                if getattr(module, "time", None) is time:
                    stack.enter_context(patch.object(module, "time", clock))
                if getattr(module, "ThreadPoolExecutor", None) is ThreadPoolExecutor:
                    stack.enter_context(patch.object(module, "ThreadPoolExecutor", make_thread))
        stack.enter_context(patch.object(os, "urandom", rng.randbytes))
        stack.enter_context(patch.object(JournalWriter, "try_lock", _try_lock(server)))
        stack.enter_context(patch.object(JournalWriter, "_release", _release(server)))
        stack.enter_context(patch.object(snapshots, "Packing", PackedAtOnce))
        # A page that is never full is read without a thread.
        stack.enter_context(patch.object(journal, "PAGE_ROWS", 1_000_000))
        layers = {"default": network, "engine": network}
        stack.enter_context(patch.object(channel_layers, "backends", layers))
        stack.enter_context(override_settings(**SETTINGS, ENGINE_SNAPSHOT_EVERY=snapshot_every))
        stack.enter_context(databases())
        stack.enter_context(server.serving())
        disabled = logging.root.manager.disable
        stack.callback(logging.disable, disabled)
        logging.disable(logging.CRITICAL)
        tail.forget()
        stack.callback(tail.forget)
        yield


def _try_lock(server: DatabaseServer) -> Any:
    def try_lock(writer: JournalWriter) -> bool:
        process = current_process()
        assert process is not None
        return server.try_lock(process)

    return try_lock


def _release(server: DatabaseServer) -> Any:
    def release(writer: JournalWriter) -> None:
        process = current_process()
        assert process is not None
        server.end_session(process)

    return release
