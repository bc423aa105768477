"""The event loop of processes that have one of their own: uvloop where it is installed."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")
_new_loop: Callable[[], asyncio.AbstractEventLoop] | None = None
try:
    import uvloop
except ImportError:  # There is none for this platform.
    pass
else:
    _new_loop = uvloop.new_event_loop


def run(main: Coroutine[Any, Any, T]) -> T:
    """As ``asyncio.run``. A queue message costs a quarter less CPU time (docs/performance.md)."""
    with asyncio.Runner(loop_factory=_new_loop) as runner:
        return runner.run(main)


def result_from_loop(coroutine: Coroutine[Any, Any, T], loop: asyncio.AbstractEventLoop) -> T:
    """Waits on this thread for what runs on the loop of another one."""
    try:
        running: asyncio.AbstractEventLoop | None = asyncio.get_running_loop()
    except RuntimeError:
        running = None
    if running is loop:
        coroutine.close()
        raise RuntimeError("a blocking call on the loop that should answer it would never return")
    return asyncio.run_coroutine_threadsafe(coroutine, loop).result()
