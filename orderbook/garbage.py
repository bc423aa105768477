"""Keeps Python's cycle collector from stopping a process that answers orders.

A full collection walks every container that is alive. After the imports of a Django project that
takes about 100 ms, and under load one came every second (docs/performance.md). What is there once a
process is ready stays for its life, so the collector need not look at it again.
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

THRESHOLDS = (20_000, 20, 50)
"""New containers before the youngest are looked at; younger passes before the next older one."""


def settle() -> None:
    """Called once a process is ready: what is alive now is never looked at again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)


@contextmanager
def paused() -> Iterator[None]:
    """For work that makes very much that lives on and no garbage in cycles, as a replay does."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
