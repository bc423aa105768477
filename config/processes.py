"""Child processes: what one is, and how it is started so that it never outlives its parent."""

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import IO, Any

_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None


@dataclass(frozen=True, slots=True)
class SystemUser:
    """An account of the operating system that a child runs as."""

    name: str
    uid: int
    gid: int


def _always() -> bool:
    return True


@dataclass(frozen=True, slots=True)
class ProcessSpec:
    """How to run one long-lived child."""

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    """Added to our own environment."""
    run_as: SystemUser | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    stop_timeout_s: float = 10.0
    """After the stop signal and this long, SIGKILL."""
    is_ready: Callable[[], bool] = _always
    """True once it can be used; called again and again from a thread, so it must not block long."""
    start_timeout_s: float = 60.0

    def popen_arguments(self) -> dict[str, Any]:
        """Keyword arguments for ``subprocess.Popen`` and asyncio's equal of it.

        The child gets a session of its own, so that a terminal's Ctrl-C reaches only the parent,
        which stops its children in order; and, on Linux, the stop signal if the parent is killed.
        """
        arguments: dict[str, Any] = {
            "stdin": subprocess.DEVNULL,
            "env": {**os.environ, **self.env},
            "start_new_session": True,
            "preexec_fn": _stop_with_parent(self.stop_signal),
        }
        if self.run_as:
            arguments |= {
                "user": self.run_as.uid,
                "group": self.run_as.gid,
                "extra_groups": [],
                "cwd": "/",
            }
        return arguments


def _stop_with_parent(stop_signal: signal.Signals) -> Callable[[], None] | None:
    libc = _LIBC
    if libc is None:
        return None
    return lambda: libc.prctl(_PR_SET_PDEATHSIG, int(stop_signal)) and None


def spawn(spec: ProcessSpec, output: IO[bytes] | int) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        spec.argv, stdout=output, stderr=subprocess.STDOUT, **spec.popen_arguments()
    )


def stop(process: subprocess.Popen[bytes], spec: ProcessSpec) -> int:
    """Stops a child kindly, then by force; returns its exit code."""
    if process.poll() is None:
        process.send_signal(spec.stop_signal)
        try:
            return process.wait(spec.stop_timeout_s)
        except subprocess.TimeoutExpired:
            process.kill()
    return process.wait()
