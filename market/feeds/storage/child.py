"""The storing process as its parent sees it: started, warmed up, told its feed, ended."""

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec
from django.conf import settings

from market.feeds.priority import BACKGROUND_NICENESS
from market.feeds.storage.ring import Ring

WORKER: Final = "market.feeds.storage.worker"
POLL_S: Final = 0.025


class StoringProcess:
    """Loads its libraries, which takes seconds of CPU time, and waits to be told its feed."""

    def __init__(self, ring: Ring, niceness: int = BACKGROUND_NICENESS) -> None:
        self.ring = ring
        self.niceness = niceness
        ring.reader = ring.warm = 0
        self._process = subprocess.Popen(
            [sys.executable, "-m", WORKER, str(ring.descriptor), str(niceness)],
            stdin=subprocess.PIPE,
            cwd=Path(settings.BASE_DIR),
            env={**os.environ, "METRICS_PORT": ""},
            pass_fds=[ring.descriptor],
            start_new_session=True,
        )
        self.pid = self._process.pid

    def wait_until_warm(self, timeout: float) -> bool:
        """Whether it was ready to store within so many seconds."""
        return self._wait(timeout, lambda: self.ring.warm == self.pid)

    def wait_until_ready(self, timeout: float) -> bool:
        """Whether it began to store within so many seconds."""
        return self._wait(timeout, lambda: self.ring.reader == self.pid)

    def _wait(self, timeout: float, condition: Callable[[], bool]) -> bool:
        deadline = time.monotonic() + timeout
        while not condition() and time.monotonic() < deadline and self.exit_code() is None:
            time.sleep(POLL_S)
        return condition()

    def tell(self, config: Mapping[str, Any]) -> None:
        """What to store, once."""
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(msgspec.json.encode(config) + b"\n")
            self._process.stdin.flush()

    def exit_code(self) -> int | None:
        """None while it runs."""
        return self._process.poll()

    def end(self, timeout: float) -> None:
        """It stores the rest and ends; after so many seconds it is killed."""
        with contextlib.suppress(BrokenPipeError):
            if self._process.stdin is not None:
                self._process.stdin.close()
        try:
            self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()


def prepare(queue_bytes: int, niceness: int = BACKGROUND_NICENESS) -> StoringProcess:
    """A process and its ring before the feed is known: later, a ``FeedStore`` takes both over, or
    they are discarded."""
    ring = Ring.create(queue_bytes)
    process = StoringProcess(ring, niceness)
    ring.occupy()
    return process


def discard(process: StoringProcess) -> None:
    process.kill()
    process.ring.close()
