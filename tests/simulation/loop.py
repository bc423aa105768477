"""An event loop on simulated time that several simulated processes share.

Inside one process callbacks keep the order that asyncio promises; which process goes next is drawn
from the seed. Nothing waits: where nobody can go on, time jumps to the next timer. A process can be
frozen (it keeps what is due to it) and killed (nothing of it ever runs again, not even its
``finally`` blocks, as after SIGKILL).
"""

import asyncio
import heapq
import random
from collections import deque
from collections.abc import Callable, Coroutine
from contextvars import Context, ContextVar, copy_context
from typing import Any

STEP_S = 20e-6
"""What one callback costs in simulated time."""
MAX_STEPS = 3_000_000
"""Callbacks after which a run counts as one that never ends."""

_current: ContextVar["Process | None"] = ContextVar("simulated_process", default=None)


class ProcessKilled(BaseException):
    """Leaves the code of a process that is killed in the middle of a statement."""


class Process:
    """One life of a part of the venue; a restart makes another one."""

    def __init__(self, name: str, clock: "Clock") -> None:
        self.name = name
        self.clock = clock
        self.alive = True
        self.frozen = False
        self.ready: deque[asyncio.Handle] = deque()
        self.fuse: int | None = None
        """Steps (callbacks and statements) after which it is killed."""
        self.tasks: list[asyncio.Task[Any]] = []
        self.session_is_broken = False
        """Whether the database has ended its session, and with it the leader's lock."""
        self.needs_session = False
        """Whether a broken session is the end; others open another one."""
        self.was_frozen = False
        self.context = copy_context()
        self.context.run(_current.set, self)


class Clock:
    """The wall clock of one host: simulated time, and how far it is wrong."""

    EPOCH_NS = 1_700_006_396 * 10**9
    """Four seconds before midnight UTC, so that a day ends in most runs."""

    def __init__(self) -> None:
        self.offset_ns = 0

    def time_ns(self, now_s: float) -> int:
        return self.EPOCH_NS + round(now_s * 1e9) + self.offset_ns


def current_process() -> Process | None:
    """None where the simulation itself runs."""
    return _current.get()


class _Task(asyncio.Task[Any]):
    """Hashed by its number: a set of tasks has the same order in every run."""

    def __init__(self, coroutine: Any, number: int, **options: Any) -> None:
        self._number = number
        super().__init__(coroutine, **options)

    def __hash__(self) -> int:
        return self._number


class SimulatedLoop(asyncio.AbstractEventLoop):
    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._now = 0.0
        self._timers: list[tuple[float, int, asyncio.TimerHandle, Process]] = []
        self._serial = 0
        self._processes: list[Process] = []
        self._outside = Process("simulation", Clock())
        self._processes.append(self._outside)
        self.outside_context = self._outside.context
        """For callbacks that belong to no process, like those of servers."""
        self._closed = False
        self.steps = 0
        self.on_fuse: Callable[[Process], None] = lambda process: None
        self.on_error: Callable[[str, BaseException | None], None] = lambda text, error: None
        self.run_in_thread: Callable[..., asyncio.Future[Any]] | None = None

    # -- processes ----------------------------------------------------------------------------

    def add(self, process: Process) -> None:
        self._processes.append(process)

    def remove(self, process: Process) -> None:
        process.alive = False
        self._processes.remove(process)

    def spawn(self, process: Process, coroutine: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Starts a task inside a process."""
        task: asyncio.Task[Any] = process.context.copy().run(self.create_task, coroutine)
        return task

    # -- running ------------------------------------------------------------------------------

    def run_until(self, done: Callable[[], bool], latest_s: float) -> bool:
        """Runs until ``done()``; False where ``latest_s`` comes first or nothing is left to do."""
        asyncio.events._set_running_loop(self)
        try:
            while not done():
                if self._now > latest_s or not self._step(latest_s):
                    return False
            return True
        finally:
            asyncio.events._set_running_loop(None)

    def _step(self, latest_s: float) -> bool:
        timers = self._timers
        while timers and timers[0][0] <= self._now:
            self._fire()
        runnable = [one for one in self._processes if one.ready and not one.frozen]
        if not runnable:
            if not timers:
                return False
            self._now = max(self._now, min(timers[0][0], latest_s + STEP_S))
            return True
        process = runnable[0] if len(runnable) == 1 else self._rng.choice(runnable)
        if self.burn_fuse(process):
            return True
        handle = process.ready.popleft()
        if handle.cancelled():
            return True
        self.steps += 1
        if self.steps > MAX_STEPS:
            raise RuntimeError("the simulation does not come to an end")
        self._now += STEP_S
        handle._run()
        return True

    def burn_fuse(self, process: Process) -> bool:
        """One step less to live; True where it was the last one and the process is dead."""
        if process.fuse is None:
            return False
        process.fuse -= 1
        if process.fuse > 0:
            return False
        self.on_fuse(process)
        return True

    def _fire(self) -> None:
        _, _, handle, process = heapq.heappop(self._timers)
        if not handle.cancelled() and process.alive:
            process.ready.append(handle)

    # -- what asyncio asks of a loop ----------------------------------------------------------

    def time(self) -> float:
        return self._now

    def call_soon(
        self, callback: Callable[..., Any], *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        handle = asyncio.Handle(callback, args, self, context)
        self._owner(context).ready.append(handle)
        return handle

    call_soon_threadsafe = call_soon  # type: ignore[assignment]

    def call_later(
        self, delay: float, callback: Callable[..., Any], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        return self.call_at(self._now + delay, callback, *args, context=context)

    def call_at(
        self, when: float, callback: Callable[..., Any], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        handle = asyncio.TimerHandle(when, callback, args, self, context)
        self._serial += 1
        heapq.heappush(self._timers, (when, self._serial, handle, self._owner(context)))
        return handle

    def _owner(self, context: Context | None) -> Process:
        process = context.get(_current) if context is not None else _current.get()
        return process or self._outside

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """It is passed over when its time comes."""

    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.Future(loop=self)

    def create_task(self, coro: Any, **options: Any) -> asyncio.Task[Any]:
        self._serial += 1
        task = _Task(coro, self._serial, loop=self, **options)
        task._log_destroy_pending = False  # type: ignore[attr-defined]
        process = current_process()
        if process is not None:
            process.tasks.append(task)
        return task

    def run_in_executor(self, executor: Any, func: Any, *args: Any) -> asyncio.Future[Any]:
        assert self.run_in_thread is not None
        return self.run_in_thread(func, *args)

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        self.on_error(context["message"], context.get("exception"))

    def get_debug(self) -> bool:
        return False

    def is_running(self) -> bool:
        return not self._closed

    def is_closed(self) -> bool:
        return self._closed

    def dispose(self, processes: list[Process]) -> None:
        """Takes down the tasks of dead and living processes, so that nothing is left of a run."""
        self.on_error = lambda text, error: None
        self.on_fuse = lambda process: None
        asyncio.events._set_running_loop(self)
        try:
            self._timers.clear()
            self._processes = [self._outside]
            for process in (self._outside, *processes):
                if process is not self._outside:
                    self._processes.append(process)
                for task in process.tasks:
                    task.cancel()
            for _ in range(100_000):
                if not self._drain():
                    break
        finally:
            self._closed = True
            asyncio.events._set_running_loop(None)

    def _drain(self) -> bool:
        for process in self._processes:
            if process.ready:
                handle = process.ready.popleft()
                if not handle.cancelled():
                    handle._run()
                return True
        return False
