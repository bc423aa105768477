"""One run: the parts of the venue, started again when they end, and the faults of the plan."""

import asyncio
import hashlib
import random
from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Any

from django.conf import settings
from django.db import InterfaceError, OperationalError

from orderbook.core.errors import InvariantBroken
from orderbook.core.invariants import check
from orderbook.gateway.feed import Feed
from orderbook.gateway.gateway import Gateway
from orderbook.journal import JournalDamaged
from orderbook.worker.engine_worker import EngineWorker
from orderbook.worker.journal_writer import LeadershipLost
from orderbook.worker.projector import Projector
from tests.simulation import flow
from tests.simulation.audit import JournalAudit
from tests.simulation.clients import Listener, Told, ask
from tests.simulation.database import DatabaseServer
from tests.simulation.depth_replica import DepthReplica
from tests.simulation.errors import Violation
from tests.simulation.injection import Injection
from tests.simulation.loop import Clock, Process, SimulatedLoop, current_process
from tests.simulation.network import Network
from tests.simulation.plan import ENGINES, GATEWAYS, PARTS, PROJECTOR, START_MS, Operation, Plan
from tests.simulation.tables import projections, run_one_step
from tests.simulation.threads import SimulatedThread

RESTART_S = (0.2, 0.8)
"""When a supervisor starts a part again that has ended."""
THREAD_S = (0.0002, 0.0006)
"""How long a thread takes for a job."""
SETUP_AFTER_S = 0.1
PROJECTOR_PERIOD_S = 0.4
CHECK_EVERY = 16
"""Commits between two checks of the leader's whole state."""

_EXPECTED_ENDS = (OperationalError, InterfaceError, LeadershipLost)


class Part:
    """A place for one process at a time, and what runs in it now."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.clock = Clock()
        self.process: Process | None = None
        self.worker: EngineWorker | None = None
        self.gateway: Gateway | None = None
        self.feed: Feed | None = None
        self.listener: Listener | None = None
        self.depth: DepthReplica | None = None
        self.lives = 0


class World:
    """``failure`` is the first thing that went wrong; a run ends with it."""

    def __init__(
        self, plan: Plan, *, with_real_tables: bool, write: Callable[[str], None] | None = None
    ) -> None:
        self.plan = plan
        self._rng = random.Random(f"rialto world {plan.seed}")
        self.random = random.Random(f"rialto random {plan.seed}")
        loop_random = random.Random(f"rialto loop {plan.seed}")
        self.loop = SimulatedLoop(loop_random)  # type: ignore[abstract]
        self.server = DatabaseServer()
        self.network = Network(
            self.loop, random.Random(f"rialto network {plan.seed}"), plan.message_faults
        )
        self.audit = JournalAudit()
        self.parts = {name: Part(name) for name in PARTS}
        self.told: list[Told] = []
        self.injected: Counter[str] = Counter()
        self.failure: Violation | None = None
        self.is_set_up = False
        self.projector_slow_ms = 0
        self.commit_slow_ms = 0
        self.with_real_tables = with_real_tables
        self._all_processes: list[Process] = []
        self._write = write
        self._digest = hashlib.sha256()
        self.last_lines: list[str] = []
        self.injection = Injection(self)
        self._connect()

    def _connect(self) -> None:
        self.loop.on_fuse = self.injection.fuse_burnt
        self.loop.on_error = self._callback_failed
        self.loop.run_in_thread = self._run_in_thread
        self.server.burn_fuse = self.loop.burn_fuse
        self.server.kill = self.kill
        self.server.on_death = self.injection.database_died
        self.server.commit_fault = self.injection.next_commit_fault
        self.server.on_commit = self._committed
        self.network.on_send = self._sending
        self.network.on_fault = self.injection.message_hit
        self.network.on_refusal = self.injection.count

    # -- trace --------------------------------------------------------------------------------

    def trace(self, who: str, text: str) -> None:
        line = f"{self.loop.time() * 1e3:11.3f} ms  {who:<10} {text}"
        self._digest.update(line.encode())
        self.last_lines.append(line)
        if len(self.last_lines) > 400:
            del self.last_lines[:200]
        if self._write:
            self._write(line)

    @property
    def digest(self) -> str:
        return self._digest.hexdigest()

    def fail(self, violation: Violation) -> None:
        if self.failure is None:
            self.failure = violation
            self.trace("FAILED", str(violation))

    def watch(self, function: Callable[..., Any], *args: Any) -> Any:
        """Calls a check; what it finds ends the run whatever the product does with exceptions."""
        try:
            return function(*args)
        except Violation as violation:
            self.fail(violation)
        except InvariantBroken as broken:
            self.fail(Violation(broken.invariant, broken.detail))
        return None

    # -- processes ----------------------------------------------------------------------------

    def start(self, name: str) -> None:
        part = self.parts[name]
        part.lives += 1
        part.process = process = Process(f"{name}.{part.lives}", part.clock)
        process.needs_session = name in ENGINES
        self._all_processes.append(process)
        self.loop.add(process)
        main = self._main_of(part)
        self.trace(name, "starts")
        self.loop.spawn(process, self._live(part, process, main))

    def _main_of(self, part: Part) -> Coroutine[Any, Any, None]:
        if part.name in ENGINES:
            return self._engine(part)
        if part.name in GATEWAYS:
            return self._gateway(part)
        assert part.name == PROJECTOR
        return self._projector(part)

    async def _engine(self, part: Part) -> None:
        part.worker = EngineWorker()
        await part.worker.run()

    async def _gateway(self, part: Part) -> None:
        part.gateway, part.feed = Gateway(), Feed()
        part.listener = Listener(self.audit)
        part.depth = DepthReplica(part.gateway, flow.SYMBOLS)
        part.feed.subscribe(part.listener)
        part.feed.subscribe(part.depth)
        await part.gateway.start()
        await part.feed.start()
        await asyncio.Event().wait()

    async def _projector(self, part: Part) -> None:
        projector = Projector(projections(with_real_tables=self.with_real_tables))
        while True:
            await asyncio.to_thread(run_one_step, projector)
            await asyncio.sleep(PROJECTOR_PERIOD_S)

    async def _live(self, part: Part, process: Process, main: Coroutine[Any, Any, None]) -> None:
        """A process ends with its main task, and a supervisor starts another one."""
        try:
            await main
        except Exception as error:
            self._judge_end(part, error)
        if process.alive and not self.network.over:
            self.trace(part.name, "ends")
            self._remove(part, process)

    def _judge_end(self, part: Part, error: BaseException) -> None:
        leaves = _leaves(error)
        self.trace(part.name, f"fails: {leaves!r}")
        for one in leaves:
            if isinstance(one, InvariantBroken):
                self.fail(Violation(one.invariant, one.detail))
            elif isinstance(one, JournalDamaged):
                invariant = "I5" if "replay" in one.detail else "I4"
                self.fail(Violation(invariant, f"{part.name} cannot start: {one}"))
            elif not isinstance(one, _EXPECTED_ENDS):
                self.fail(Violation("liveness", f"{part.name} ended by {one!r}"))

    def kill(self, process: Process) -> None:
        part = self.parts[process.name.rpartition(".")[0]]
        self.trace(part.name, "is killed")
        self._remove(part, process)

    def _remove(self, part: Part, process: Process) -> None:
        self.loop.remove(process)
        self.server.end_session(process)
        part.process = part.worker = part.gateway = part.feed = part.listener = part.depth = None
        delay_s = self._rng.uniform(*RESTART_S)
        self.loop.call_later(delay_s, self.start, part.name, context=self.loop.outside_context)

    # -- what the product's parts touch -------------------------------------------------------

    def make_thread(self, *args: Any, **options: Any) -> SimulatedThread:
        return SimulatedThread(self.loop, self._thread_delay_s)

    def _thread_delay_s(self, process: Process) -> float:
        extra_ms = 0
        if process.name.startswith(PROJECTOR):
            extra_ms = self.projector_slow_ms
        elif process.needs_session:
            extra_ms = self.commit_slow_ms
        return self._rng.uniform(*THREAD_S) + extra_ms / 1e3

    def _run_in_thread(self, function: Any, *args: Any) -> asyncio.Future[Any]:
        if self.network.over:
            future = self.loop.create_future()
            future.set_result(None)
            return future
        return asyncio.wrap_future(self.make_thread().submit(function, *args), loop=self.loop)

    def _callback_failed(self, text: str, error: BaseException | None) -> None:
        if isinstance(error, Violation):
            self.fail(error)
        elif "never retrieved" not in text:
            self.fail(Violation("liveness", f"{text}: {error!r}"))

    def _committed(self, process: Process, row: tuple[Any, ...]) -> None:
        self.trace(process.name, f"commits {row[0]} to {row[1]}, epoch {row[2]}")
        self.watch(self.audit.commit, row)
        if len(self.audit.rows) % CHECK_EVERY == 0:
            worker = self.parts[process.name.rpartition(".")[0]].worker
            if worker is not None and worker.leading.is_set():
                self.watch(check, worker._replica.engine)

    def _sending(self, link: str, process: Process, message: dict[str, Any]) -> None:
        if link == "replies":
            answers = self.watch(self.audit.reply, message) or []
            self.trace(process.name, f"answers {[answer.sequence for answer in answers]}")
        elif link == "publications":
            self.watch(self.audit.publication, message)

    # -- the run ------------------------------------------------------------------------------

    def run(self) -> None:
        for name in PARTS:
            self.start(name)
        self._spawn_in(GATEWAYS[0], self._set_up)
        outside = self.loop.outside_context
        for operation in self.plan.operations:
            self.loop.call_at(operation.at_ms / 1e3, self._operate, operation, context=outside)
        self.injection.schedule()
        if not self.run_until(lambda: self.is_set_up, START_MS / 1e3):
            self.fail(Violation("liveness", "the venue was not set up in time"))
        self.run_until(lambda: False, self.plan.end_ms / 1e3)
        self.injection.heal()

    def run_until(self, done: Callable[[], bool], latest_s: float) -> bool:
        """False where ``latest_s`` came first, or the run has failed."""
        reached = self.loop.run_until(lambda: self.failure is not None or done(), latest_s)
        return reached and self.failure is None

    def _spawn_in(self, name: str, main: Callable[[Part], Coroutine[Any, Any, None]]) -> bool:
        part = self.parts[name]
        if part.process is None:
            return False
        self.loop.spawn(part.process, main(part))
        return True

    async def _set_up(self, part: Part) -> None:
        await asyncio.sleep(SETUP_AFTER_S)
        assert part.gateway is not None
        for command in flow.SETUP:
            await ask(part.gateway, command, self.told)
        self.is_set_up = True

    def _operate(self, operation: Operation) -> None:
        async def client(part: Part) -> None:
            command = flow.made(operation.command, self.audit.trades)
            if command is not None:
                await self.submit(part, command)

        if not self._spawn_in(operation.gateway, client):
            self.trace("client", f"finds {operation.gateway} away")

    async def submit(self, part: Part, command: Any) -> Told | None:
        gateway = part.gateway
        if gateway is None or not gateway.reply_channel:
            return None
        told = await ask(gateway, command, self.told)
        sequence = told.answer.sequence if told.answer else 0
        process = current_process()
        assert process is not None
        asked_ms = round(told.asked_at * 1e3)
        kind = type(command).__name__
        self.trace(process.name, f"tells {told.outcome} {sequence}, {kind} of {asked_ms} ms")
        return told

    def leader(self) -> EngineWorker | None:
        """The engine that has the lock and takes commands."""
        for name in ENGINES:
            part = self.parts[name]
            if part.worker is not None and part.process is self.server.holder:
                return part.worker if part.worker.leading.is_set() else None
        return None

    def standbys(self) -> list[EngineWorker]:
        workers = [self.parts[name].worker for name in ENGINES]
        return [one for one in workers if one is not None and not one.leading.is_set()]

    def dispose(self) -> None:
        self.network.over = True
        self.loop.dispose(self._all_processes)

    @property
    def deadline_s(self) -> float:
        return float(settings.COMMAND_DEADLINE_S)


def _leaves(error: BaseException) -> list[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        return [leaf for one in error.exceptions for leaf in _leaves(one)]
    return [error]
