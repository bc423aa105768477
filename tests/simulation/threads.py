"""What stands for a thread: jobs that run one after the other, each a moment of simulated time
after it was asked for, and outside of the event loop, as on a real thread."""

import asyncio
import concurrent.futures
from collections import deque
from collections.abc import Callable
from typing import Any, Self

from tests.simulation.loop import Process, ProcessKilled, SimulatedLoop, current_process


class _Job(concurrent.futures.Future[Any]):
    """Asking for the result before its time runs the jobs up to it, as waiting for them would."""

    def __init__(self, thread: "SimulatedThread", call: Callable[[], Any]) -> None:
        super().__init__()
        self.thread = thread
        self.call = call

    def result(self, timeout: float | None = None) -> Any:
        while not self.done():
            self.thread.run_next()
        return super().result(timeout)


class SimulatedThread:
    """In the place of a ThreadPoolExecutor with one worker."""

    def __init__(self, loop: SimulatedLoop, delay_s: Callable[[Process], float]) -> None:
        self._process = current_process()
        self._loop = loop
        self._delay_s = delay_s
        self._jobs: deque[_Job] = deque()

    def submit(self, function: Callable[..., Any], *args: Any, **options: Any) -> _Job:
        job = _Job(self, lambda: function(*args, **options))
        self._jobs.append(job)
        if self._process is None:
            self.run_next()
        elif len(self._jobs) == 1:
            self._schedule(self._process)
        return job

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        """Jobs whose results nobody asked for are left."""

    def shutdown(self, wait: bool = True, **options: Any) -> None:
        """Nothing has to be ended."""

    def _schedule(self, process: Process) -> None:
        delay_s = self._delay_s(process)
        self._loop.call_later(delay_s, self.run_next, context=process.context.copy())

    def run_next(self) -> None:
        if not self._jobs or (self._process is not None and not self._process.alive):
            return
        job = self._jobs.popleft()
        if job.set_running_or_notify_cancel():
            try:
                _run(job)
            except ProcessKilled:
                return
        if self._jobs and self._process is not None:
            self._schedule(self._process)


def _run(job: _Job) -> None:
    running = asyncio.events._get_running_loop()
    asyncio.events._set_running_loop(None)
    try:
        result = job.call()
    except ProcessKilled:
        raise
    except BaseException as error:
        asyncio.events._set_running_loop(running)
        job.set_exception(error)
    else:
        asyncio.events._set_running_loop(running)
        job.set_result(result)
    finally:
        asyncio.events._set_running_loop(running)
