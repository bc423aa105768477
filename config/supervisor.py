"""Runs several processes as one: starts them in order, restarts what dies, stops all in reverse.

It knows nothing of what the processes do. Every line that they print appears with the name of its
process in front. A process that keeps dying is restarted ever more slowly and reported, never
given up: the engine, for one, ends itself when a commit fails, and must be back when the database
is.
"""

import asyncio
import itertools
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TextIO

from config.processes import ProcessSpec

RESTART_FIRST_DELAY_S = 0.25
RESTART_MAX_DELAY_S = 10.0
STEADY_AFTER_S = 30.0
"""A process that ran this long has started well: its next failure counts as the first."""
REPORT_AFTER_FAILURES = 5
MAX_LINE_BYTES = 64 * 1024
_READY_POLL_S = 0.1
_LAST_LINES_TIMEOUT_S = 1.0
_COLOURS = (36, 33, 32, 35, 34, 96, 93, 92, 95, 94)


class StartFailed(Exception):
    """A process did not become ready, or a step of the start failed."""


class StopRequested(Exception):
    """Somebody asked for the stop while the start was under way."""


class Lines:
    """Prints lines of many processes, each with its process's name, in colour on a terminal."""

    def __init__(self, output: TextIO = sys.stdout, *, width: int = 10) -> None:
        self._output = output
        self._width = width
        self._colours = itertools.cycle(_COLOURS)
        self._colour_of: dict[str, int] = {}
        self._coloured = output.isatty() and "NO_COLOR" not in os.environ

    def write(self, name: str, text: str) -> None:
        prefix = f"{name:<{self._width}} | "
        if self._coloured:
            colour = self._colour_of.setdefault(name, next(self._colours))
            prefix = f"\033[{colour}m{prefix}\033[0m"
        # A terminal that is gone must not keep the venue from stopping in order.
        with suppress(OSError, ValueError):
            for line in text.splitlines():
                self._output.write(f"{prefix}{line}\n")
            self._output.flush()


class Supervisor:
    """Use inside one event loop: ``start`` and ``run_once`` in order, ``wait``, then ``stop``."""

    def __init__(
        self,
        lines: Lines | None = None,
        *,
        on_start: Callable[[str, int], None] = lambda name, pid: None,
        on_exit: Callable[[int], None] = lambda pid: None,
    ) -> None:
        self.lines = lines or Lines()
        self.on_start = on_start
        self.on_exit = on_exit
        self._children: list[_Child] = []
        self._stopping = asyncio.Event()

    def stop_on_signals(self) -> None:
        """SIGINT and SIGTERM ask for an orderly stop; a second one kills what is left."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self._on_signal, number)

    def _on_signal(self, number: signal.Signals) -> None:
        if self._stopping.is_set():
            self.say(f"{number.name} again: killing what still runs")
            for child in self._children:
                child.kill()
            return
        self.say(f"{number.name}: stopping")
        self._stopping.set()
        for child in self._children:
            if not child.is_kept:
                child.interrupt()

    @property
    def is_stopping(self) -> bool:
        return self._stopping.is_set()

    def say(self, text: str) -> None:
        self.lines.write("rialto", text)

    async def start(self, spec: ProcessSpec) -> None:
        """Starts a process and waits until it is ready; from then on it is kept running."""
        self._check_not_stopping()
        child = _Child(spec, self)
        self._children.append(child)
        child.start()
        deadline = time.monotonic() + spec.start_timeout_s
        while not await asyncio.to_thread(spec.is_ready):
            self._check_not_stopping()
            if child.failures >= REPORT_AFTER_FAILURES:
                raise StartFailed(f"{spec.name} does not start; its lines above say why")
            if time.monotonic() > deadline:
                raise StartFailed(f"{spec.name} was not ready in {spec.start_timeout_s:.0f} s")
            await asyncio.sleep(_READY_POLL_S)

    async def run_once(self, name: str, argv: tuple[str, ...], env: Mapping[str, str]) -> None:
        """Runs a step of the start to its end."""
        self._check_not_stopping()
        child = _Child(ProcessSpec(name, argv, env), self)
        self._children.append(child)
        try:
            code = await child.run_to_end()
        finally:
            self._children.remove(child)
        self._check_not_stopping()
        if code:
            raise StartFailed(f"{' '.join(argv[1:])} failed with code {code}")

    async def wait(self) -> None:
        """Until somebody asks for the stop."""
        await self._stopping.wait()

    async def stop(self) -> None:
        """Stops everything, last started first; each one may finish what it has in hand."""
        self._stopping.set()
        for child in reversed(self._children):
            await child.stop()

    def _check_not_stopping(self) -> None:
        if self.is_stopping:
            raise StopRequested


class _Child:
    """One process, kept running until it is told to stop."""

    def __init__(self, spec: ProcessSpec, supervisor: Supervisor) -> None:
        self.spec = spec
        self.failures = 0
        """Deaths in a row without a steady run in between."""
        self._supervisor = supervisor
        self._process: asyncio.subprocess.Process | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._stopping = asyncio.Event()

    def start(self) -> None:
        self._keeper = asyncio.create_task(self._keep_running(), name=f"keep {self.spec.name}")

    @property
    def is_kept(self) -> bool:
        """False for a step of the start, which runs once."""
        return self._keeper is not None

    async def _keep_running(self) -> None:
        while not self._stopping.is_set():
            started = time.monotonic()
            code = await self.run_to_end()
            if self._stopping.is_set():
                return
            steady = time.monotonic() - started > STEADY_AFTER_S
            self.failures = 1 if steady else self.failures + 1
            delay_s = min(RESTART_FIRST_DELAY_S * 2 ** (self.failures - 1), RESTART_MAX_DELAY_S)
            self._report(code, delay_s)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), delay_s)

    def _report(self, code: int, delay_s: float) -> None:
        how = f"was ended by {_signal_name(-code)}" if code < 0 else f"ended with code {code}"
        text = f"{self.spec.name} {how}; starting it again in {delay_s:g} s"
        if self.failures >= REPORT_AFTER_FAILURES:
            text = f"{self.spec.name} KEEPS FAILING ({self.failures} times in a row): {text}"
        self._supervisor.say(text)

    async def run_to_end(self) -> int:
        """Runs the process once, printing its lines; returns its exit code (-N: signal N)."""
        # A pipe of our own: asyncio's would make us wait for whoever else holds its other end.
        read_end, write_end = os.pipe()
        try:
            process = await asyncio.create_subprocess_exec(
                *self.spec.argv,
                stdout=write_end,
                stderr=asyncio.subprocess.STDOUT,
                **self.spec.popen_arguments(),
            )
        except OSError as error:
            os.close(read_end)
            self._supervisor.say(f"{self.spec.name} cannot be run: {error}")
            return 127
        finally:
            os.close(write_end)
        self._process = process
        self._supervisor.on_start(self.spec.name, process.pid)
        if self._stopping.is_set():
            self._signal(self.spec.stop_signal)
        pump = asyncio.create_task(self._print_lines(read_end))
        code = await process.wait()
        self._process = None
        self._supervisor.on_exit(process.pid)
        # What it started itself must not hold its port when it is started again.
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        with suppress(TimeoutError):
            await asyncio.wait_for(pump, _LAST_LINES_TIMEOUT_S)
        return code

    async def _print_lines(self, read_end: int) -> None:
        stream = asyncio.StreamReader(limit=MAX_LINE_BYTES)
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(stream), os.fdopen(read_end, "rb", buffering=0)
        )
        try:
            while line := await _next_line(stream):
                self._supervisor.lines.write(self.spec.name, line.decode(errors="replace"))
        finally:
            transport.close()

    def interrupt(self) -> None:
        self._stopping.set()
        self._signal(self.spec.stop_signal)

    async def stop(self) -> None:
        self.interrupt()
        if self._keeper is None:
            return
        finished, _ = await asyncio.wait([self._keeper], timeout=self.spec.stop_timeout_s)
        if not finished:
            self._supervisor.say(
                f"{self.spec.name} did not stop in {self.spec.stop_timeout_s:g} s: killed"
            )
            self.kill()
            await asyncio.wait([self._keeper])

    def kill(self) -> None:
        self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None:
            with suppress(ProcessLookupError):
                self._process.send_signal(number)


async def _next_line(stream: asyncio.StreamReader) -> bytes:
    """A line, or as much of one as the limit allows; nothing at the end."""
    try:
        return await stream.readuntil(b"\n")
    except asyncio.IncompleteReadError as end:
        return end.partial
    except asyncio.LimitOverrunError:
        return await stream.read(MAX_LINE_BYTES)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
