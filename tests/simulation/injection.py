"""Makes the faults of a plan happen, ends them, and counts those that took effect."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tests.simulation.loop import Process
from tests.simulation.plan import COMMIT_FAULTS, QUEUE_FAULTS, Fault, MessageFault

if TYPE_CHECKING:
    from tests.simulation.world import World


DATABASE_RESTART_MS = 300


class Injection:
    def __init__(self, world: World) -> None:
        self._world = world
        self._commit_faults: list[str] = []
        self._handlers: dict[str, Callable[[Fault], None]] = {
            "queue emptied": self._empty_queue,
            "crash": self._light_fuse,
            "frozen": self._freeze,
            "commit slow": self._slow_commits,
            "database away": self._take_database_away,
            "session broken": self._break_session,
            "two leaders": self._lose_lock,
            "clock jump": self._jump,
            "projector slow": self._slow_projector,
            **dict.fromkeys(QUEUE_FAULTS, self._fail_queue),
            **dict.fromkeys(COMMIT_FAULTS, self._arm_commit),
        }

    def count(self, kind: str) -> None:
        self._world.injected[kind] += 1

    def schedule(self) -> None:
        for fault in self._world.plan.faults:
            self._at(fault.at_ms, self._inject, fault)

    def heal(self) -> None:
        """Ends every fault; what is delayed still arrives."""
        world = self._world
        world.trace("faults", "healed")
        self._commit_faults.clear()
        world.network.healed = True
        world.network.refusing = ""
        world.network.forgetting = False
        world.server.away = False
        world.commit_slow_ms = world.projector_slow_ms = 0
        for part in world.parts.values():
            part.clock.offset_ns = 0
            if part.process is not None:
                part.process.frozen = False
                part.process.fuse = None

    def _at(self, at_ms: float, function: Callable[..., None], *args: Any) -> None:
        loop = self._world.loop
        loop.call_at(at_ms / 1e3, function, *args, context=loop.outside_context)

    def _inject(self, fault: Fault) -> None:
        self._world.trace("faults", str(fault))
        self._handlers[fault.kind](fault)

    # -- what other parts of the simulation ask -----------------------------------------------

    def fuse_burnt(self, process: Process) -> None:
        self.count("crash")
        self._world.kill(process)

    def next_commit_fault(self, process: Process) -> str | None:
        if not self._commit_faults:
            return None
        kind = self._commit_faults.pop(0)
        self.count(kind)
        self._world.trace(process.name, kind)
        return kind

    def database_died(self) -> None:
        self._end_sessions(DATABASE_RESTART_MS)

    def message_hit(self, fault: MessageFault, message: dict[str, Any]) -> None:
        self.count(fault.kind)
        self._world.trace("faults", str(fault))

    # -- kinds --------------------------------------------------------------------------------

    def _empty_queue(self, fault: Fault) -> None:
        self._world.network.forgetting = True
        self._at(fault.at_ms + fault.for_ms, self._keep_queue)

    def _keep_queue(self) -> None:
        self._world.network.forgetting = False

    def _light_fuse(self, fault: Fault) -> None:
        process = self._world.parts[fault.part].process
        if process is not None and process.fuse is None:
            process.fuse = fault.amount

    def _freeze(self, fault: Fault) -> None:
        process = self._world.parts[fault.part].process
        if process is None:
            return
        self.count(fault.kind)
        process.frozen = process.was_frozen = True
        self._at(fault.at_ms + fault.for_ms, self._thaw, process)

    def _thaw(self, process: Process) -> None:
        process.frozen = False

    def _slow_commits(self, fault: Fault) -> None:
        self.count(fault.kind)
        self._world.commit_slow_ms = fault.amount
        self._at(fault.at_ms + fault.for_ms, self._end_slow_commits)

    def _end_slow_commits(self) -> None:
        self._world.commit_slow_ms = 0

    def _take_database_away(self, fault: Fault) -> None:
        self.count(fault.kind)
        self._end_sessions(fault.for_ms)

    def _end_sessions(self, for_ms: int) -> None:
        self._world.server.away = True
        for part in self._world.parts.values():
            if part.process is not None:
                self._world.server.break_session(part.process)
        self._at(self._world.loop.time() * 1e3 + for_ms, self._bring_database_back)

    def _bring_database_back(self) -> None:
        self._world.server.away = False

    def _break_session(self, fault: Fault) -> None:
        holder = self._world.server.holder
        if holder is not None:
            self.count(fault.kind)
            self._world.server.break_session(holder)

    def _lose_lock(self, fault: Fault) -> None:
        """The lock goes to whoever asks next; its old holder can still write."""
        if self._world.server.holder is not None:
            self.count(fault.kind)
            self._world.server.holder = None

    def _jump(self, fault: Fault) -> None:
        self.count(fault.kind)
        clock = self._world.parts[fault.part].clock
        clock.offset_ns += fault.amount * 10**6
        self._at(fault.at_ms + fault.for_ms, self._jump_back, fault)

    def _jump_back(self, fault: Fault) -> None:
        clock = self._world.parts[fault.part].clock
        if clock.offset_ns:
            clock.offset_ns -= fault.amount * 10**6

    def _slow_projector(self, fault: Fault) -> None:
        self.count(fault.kind)
        self._world.projector_slow_ms = fault.amount
        self._at(fault.at_ms + fault.for_ms, self._end_slow_projector)

    def _end_slow_projector(self) -> None:
        self._world.projector_slow_ms = 0

    def _fail_queue(self, fault: Fault) -> None:
        self._world.network.refusing = fault.kind
        self._at(fault.at_ms + fault.for_ms, self._mend_queue)

    def _mend_queue(self) -> None:
        self._world.network.refusing = ""

    def _arm_commit(self, fault: Fault) -> None:
        self._commit_faults.append(fault.kind)
