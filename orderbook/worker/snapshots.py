"""When to keep the engine's state, and keeping it without holding up the engine.

A fork of the process packs the state, which takes a second where half a million orders rest: it has
the state as it was at one command, and the engine goes on at once (docs/adr/0008). A thread takes
the bytes from it and stores them once the state's last command is in the journal.
"""

import asyncio
import gc
import logging
import os
import select
import signal
import time
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from django.conf import settings
from django.db import connections

from orderbook import metrics
from orderbook.core.engine import Engine
from orderbook.core.snapshot import snapshot, stored_hash
from orderbook.models import Snapshot

logger = logging.getLogger(__name__)

SNAPSHOTS_KEPT = 3
CLOSE_TIMEOUT_S = 30.0
"""How long a stop waits for a state that is being stored. Without it the next start replays
more."""
PACKING_TIMEOUT_S = 120.0
"""How long a fork may take until it is killed, and that snapshot is missing."""
PACKING_NICENESS = 10
"""The venue's own processes come first."""
_PIPE_READ_BYTES = 1 << 20


class SnapshotFailed(Exception):
    """A fork did not deliver the state."""


class Packing:
    """The engine's state as it is now, on its way into bytes in a fork of this process."""

    def __init__(self, engine: Engine) -> None:
        """Raises OSError where the process cannot be forked, for want of memory for example."""
        self._pipe, write_end = os.pipe()
        try:
            self._pid = os.fork()
        except OSError:
            os.close(self._pipe)
            os.close(write_end)
            raise
        if self._pid == 0:
            _pack_and_exit(engine, write_end)
        os.close(write_end)

    def result(self) -> bytes:
        """Waits for the bytes; once only. Raises SnapshotFailed."""
        try:
            state = self._read()
        except BaseException:
            self.discard()
            raise
        os.close(self._pipe)
        _, status = os.waitpid(self._pid, 0)
        if status:
            raise SnapshotFailed(f"the fork ended with {os.waitstatus_to_exitcode(status)}")
        return state

    def discard(self) -> None:
        """Ends the fork. Instead of ``result``."""
        os.kill(self._pid, signal.SIGKILL)
        os.close(self._pipe)
        os.waitpid(self._pid, 0)

    def _read(self) -> bytes:
        deadline = time.monotonic() + PACKING_TIMEOUT_S
        parts: list[bytes] = []
        while select.select([self._pipe], [], [], max(0.0, deadline - time.monotonic()))[0]:
            part = os.read(self._pipe, _PIPE_READ_BYTES)
            if not part:
                return b"".join(parts)
            parts.append(part)
        raise SnapshotFailed(f"the fork took longer than {PACKING_TIMEOUT_S:.0f} s")


def _pack_and_exit(engine: Engine, write_end: int) -> NoReturn:
    """The fork's whole life. It has one thread, so whatever another thread of the parent had locked
    stays locked: it must not log, nor use a connection."""
    code = 1
    try:
        gc.disable()  # A collection would touch, and so copy, all that the two still share.
        signal.set_wakeup_fd(-1)
        for name in (signal.SIGINT, signal.SIGTERM):
            signal.signal(name, signal.SIG_DFL)
        # Sockets, locks and databases are the parent's alone, and end with it.
        os.closerange(3, write_end)
        os.closerange(write_end + 1, os.sysconf("SC_OPEN_MAX"))
        os.nice(PACKING_NICENESS)
        with suppress(OSError):  # Where memory runs out the copy goes, not the engine.
            Path("/proc/self/oom_score_adj").write_text("1000")
        with open(write_end, "wb") as pipe:
            pipe.write(snapshot(engine))
        code = 0
    finally:
        os._exit(code)


class SnapshotKeeper:
    """Keeps one state at a time. A failure costs start-up time only."""

    def __init__(self, sequence: int) -> None:
        self._last = sequence
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="snapshot")
        self._packing: Packing | None = None
        """Waits for the commit of its last command."""
        self._storing: Future[None] | None = None

    def due(self, sequence: int) -> bool:
        """Whether it is time for the state after ``sequence``; true at most once for each."""
        if sequence - self._last < settings.ENGINE_SNAPSHOT_EVERY or self._packing is not None:
            return False
        if self._storing is not None and not self._storing.done():
            return False
        self._last = sequence
        return True

    def pack(self, engine: Engine) -> Packing | None:
        """Takes the state as it is now, to be stored later; None where that cannot be done."""
        started = time.perf_counter()
        try:
            self._packing = Packing(engine)
        except OSError as error:
            logger.warning("no snapshot: the process cannot be forked: %s", error)
            return None
        metrics.SNAPSHOT_PAUSE_SECONDS.observe(time.perf_counter() - started)
        return self._packing

    def store(self, sequence: int, time_ns: int, packing: Packing, checksum: bytes) -> None:
        """``checksum``: of the journal row that ends at ``sequence``."""
        self._packing = None
        self._storing = self._thread.submit(_store, sequence, time_ns, packing, checksum)

    async def close(self) -> None:
        """Takes no more; waits for what is being stored, at most ``CLOSE_TIMEOUT_S``."""
        if self._packing is not None:
            self._packing.discard()
            self._packing = None
        self._thread.shutdown(wait=False)
        if self._storing is not None:
            await asyncio.wait([asyncio.wrap_future(self._storing)], timeout=CLOSE_TIMEOUT_S)


def _store(sequence: int, time_ns: int, packing: Packing, checksum: bytes) -> None:
    started = time.perf_counter()
    try:
        state = packing.result()
        Snapshot.objects.create(
            sequence=sequence,
            time_ns=time_ns,
            state=state,
            state_hash=bytes.fromhex(stored_hash(state)),
            journal_checksum=checksum,
        )
        kept = Snapshot.objects.order_by("-sequence").values_list("sequence", flat=True)
        Snapshot.objects.exclude(sequence__in=list(kept[:SNAPSHOTS_KEPT])).delete()
    except Exception:
        logger.exception("the snapshot at %d was not stored", sequence)
    else:
        metrics.SNAPSHOT_SECONDS.observe(time.perf_counter() - started)
        logger.info("snapshot at %d: %d bytes", sequence, len(state))
    finally:
        connections.close_all()
