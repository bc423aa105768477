"""When to keep the engine's state, and keeping it without holding up the journal."""

import asyncio
import logging
import time
from concurrent.futures import Future, ThreadPoolExecutor

from django.conf import settings
from django.db import connections

from orderbook import metrics
from orderbook.core.snapshot import stored_hash
from orderbook.models import Snapshot

logger = logging.getLogger(__name__)

SNAPSHOTS_KEPT = 3
CLOSE_TIMEOUT_S = 30.0
"""How long a stop waits for a state that is being stored: without it a start replays more."""


class SnapshotKeeper:
    """Stores one state at a time, on a thread of its own. A failure costs start-up time only."""

    def __init__(self, sequence: int) -> None:
        self._last = sequence
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="snapshot")
        self._storing: Future[None] | None = None

    def due(self, sequence: int) -> bool:
        """Whether it is time for the state after ``sequence``; true at most once for each."""
        if sequence - self._last < settings.ENGINE_SNAPSHOT_EVERY:
            return False
        if self._storing is not None and not self._storing.done():
            return False
        self._last = sequence
        return True

    def store(self, sequence: int, time_ns: int, state: bytes, checksum: bytes) -> None:
        """``checksum``: of the journal row that ends at ``sequence``."""
        self._storing = self._thread.submit(_store, sequence, time_ns, state, checksum)

    async def close(self) -> None:
        """Takes no more; waits for what is being stored, at most ``CLOSE_TIMEOUT_S``."""
        self._thread.shutdown(wait=False)
        if self._storing is not None:
            await asyncio.wait([asyncio.wrap_future(self._storing)], timeout=CLOSE_TIMEOUT_S)


def _store(sequence: int, time_ns: int, state: bytes, checksum: bytes) -> None:
    started = time.perf_counter()
    try:
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
