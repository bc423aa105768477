"""Takes the leader from a venue under load, again and again, and looks at what its clients see.

In a process of its own with the production settings: starts engines (one leads, the others stand
by), keeps a gateway busy with orders and reads, and kills the leader or freezes it. Then compares
every answer with the journal. Prints JSON objects, one a line: ``{"done": N}`` while it works, the
result last, whose ``faults`` must be empty.
"""

import argparse
import asyncio
import json
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import django

from bench.pipeline_flow import SYMBOL, start_commands
from bench.venue import BASE_DIR
from config.processes import ProcessSpec, spawn, stop

CLIENTS = 8
PAUSE_S = 0.002
"""Between an answer and the client's next order."""
PATIENCE_S = 60.0
STEADY_S = 0.5
"""Load before each blow."""
LEVEL_LINES = ("standing by", "leading epoch")
"""One of them is in the log of every engine that is level with the journal."""
SHOWN_LOG_BYTES = 3_000


class Engine:
    """One ``run_engine`` process."""

    def __init__(self, folder: Path, number: int) -> None:
        self._log = folder / f"engine-{number}.log"
        self._spec = ProcessSpec("engine", (sys.executable, "manage.py", "run_engine"))
        with self._log.open("wb") as output:
            self.process = spawn(self._spec, output)

    def log(self) -> str:
        return self._log.read_text(errors="replace")

    def is_level(self) -> bool:
        log = self.log()
        return any(line in log for line in LEVEL_LINES)

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
        stop(self.process, self._spec)


class Acknowledged(NamedTuple):
    at: float
    answer: Any


async def until(condition: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {PATIENCE_S:.0f} s: {what}")
        await asyncio.sleep(0.005)


class Load:
    """Orders and reads without end; notes what was answered, and reads that went back."""

    def __init__(self, gateway: Any) -> None:
        self._gateway = gateway
        self._tasks: list[asyncio.Task[None]] = []
        self.acknowledged: list[Acknowledged] = []
        self.unknown = 0
        self.unavailable = 0
        self.faults: list[str] = []
        self.epoch = 0

    async def start(self) -> None:
        for command in start_commands():
            self._note(await self._gateway.submit(command))
        self._tasks = [asyncio.create_task(self._trade(number)) for number in range(CLIENTS)]
        self._tasks.append(asyncio.create_task(self._read()))

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _note(self, answer: Any) -> None:
        self.acknowledged.append(Acknowledged(time.monotonic(), answer))

    async def _trade(self, number: int) -> None:
        from orderbook.core.commands import PlaceOrder
        from orderbook.core.units import OrderType, Side, TimeInForce
        from orderbook.errors import EngineUnavailable, OutcomeUnknown

        count = 0
        while True:
            count += 1
            side = Side.BUY if (count + number) % 2 else Side.SELL
            order = PlaceOrder(
                1 + number, SYMBOL, side, OrderType.LIMIT, TimeInForce.GTC, 1_000_000, 1
            )
            try:
                self._note(await self._gateway.submit(order))
            except OutcomeUnknown:
                self.unknown += 1
            except EngineUnavailable:
                self.unavailable += 1
            await asyncio.sleep(PAUSE_S)

    async def _read(self) -> None:
        """An engine that was replaced must not be heard again."""
        from orderbook.errors import EngineUnavailable
        from orderbook.gateway.protocol import GetStatus

        while True:
            try:
                status = await self._gateway.query(GetStatus())
            except EngineUnavailable:
                continue
            if status.epoch < self.epoch:
                self.faults.append(f"epoch {status.epoch} was read after {self.epoch}")
            self.epoch = max(self.epoch, status.epoch)
            await asyncio.sleep(PAUSE_S)


class Failover:
    def __init__(self, folder: Path, engines: int) -> None:
        self._folder = folder
        self._started = 0
        self._engines = [self._start() for _ in range(engines)]
        self.takeovers_s: list[float] = []
        self.faults: list[str] = []

    def _start(self) -> Engine:
        self._started += 1
        return Engine(self._folder, self._started)

    async def run(self, blows: int, freeze_s: float) -> dict[str, Any]:
        from orderbook.gateway.gateway import Gateway

        gateway = Gateway()
        await gateway.start()
        load = Load(gateway)
        try:
            await self._ready()
            await load.start()
            for number in range(1, blows + 1):
                await self._ready()
                await self._blow(load, freeze_s)
                say({"done": number})
            await asyncio.sleep(STEADY_S)
            await load.stop()
            report = await asyncio.to_thread(audit, load)
        except BaseException:
            for engine in self._engines:
                sys.stderr.write(engine.log()[-SHOWN_LOG_BYTES:])
            raise
        finally:
            await load.stop()
            await gateway.stop()
            for engine in self._engines:
                await asyncio.to_thread(engine.stop)
        report["faults"] = load.faults + self.faults + report["faults"]
        return {
            "takeovers_s": [round(seconds, 3) for seconds in self.takeovers_s],
            "acknowledged": len(load.acknowledged),
            "outcome_unknown": load.unknown,
            "unavailable": load.unavailable,
            **report,
        }

    async def _ready(self) -> None:
        """One engine leads and every other is level and stands by."""
        await until(
            lambda: all(engine.is_level() for engine in self._engines),
            "one engine leads and the others stand by",
        )
        await asyncio.sleep(STEADY_S)

    async def _blow(self, load: Load, freeze_s: float) -> None:
        """Takes the leader away and waits for the first answer of the next one."""
        pid, first = await asyncio.to_thread(leader)
        victim = next(engine for engine in self._engines if engine.process.pid == pid)
        struck_at = time.monotonic()
        os.kill(pid, signal.SIGSTOP if freeze_s else signal.SIGKILL)
        epochs = [first]

        async def has_changed() -> None:
            while epochs[0] == first:
                epochs[0] = (await asyncio.to_thread(leader))[1]
                await asyncio.sleep(0.01)

        async with asyncio.timeout(PATIENCE_S):
            await has_changed()
        begins = await asyncio.to_thread(first_sequence_of, epochs[0])
        seen = 0

        def answered() -> bool:
            nonlocal seen
            while seen < len(load.acknowledged):
                at, answer = load.acknowledged[seen]
                if at > struck_at and answer.sequence > begins:
                    return True
                seen += 1
            return False

        await until(answered, "the new leader answers an order")
        self.takeovers_s.append(load.acknowledged[seen].at - struck_at)
        if freeze_s:
            await asyncio.sleep(max(0.0, struck_at + freeze_s - time.monotonic()))
            os.kill(pid, signal.SIGCONT)
        await until(lambda: victim.process.poll() is not None, "the old leader has ended")
        if victim.process.returncode == 0:
            self.faults.append("a leader that was replaced ended as if nothing were wrong")
        self._engines.remove(victim)
        self._engines.append(self._start())


def leader() -> tuple[int, int]:
    """(process id, epoch) of the newest leader whose first row is in the journal."""
    from orderbook.models import Epoch, JournalBatch

    epoch = JournalBatch.objects.order_by("-first_sequence").values_list("epoch", flat=True)[0]
    owner = Epoch.objects.get(number=epoch).owner
    return int(owner.rpartition(":")[2]), epoch


def first_sequence_of(epoch: int) -> int:
    from orderbook.models import JournalBatch

    rows = JournalBatch.objects.filter(epoch=epoch).order_by("first_sequence")
    return int(rows.values_list("first_sequence", flat=True)[0])


def audit(load: Load) -> dict[str, Any]:
    """Compares what was answered with the journal (I3), which must be whole (I4, I5)."""
    from orderbook.journal import GENESIS_CHECKSUM, decode_row, verified_rows
    from orderbook.worker.verification import JournalVerifier

    verifier = JournalVerifier(check_every=1_000)
    for _ in verifier.run():
        pass
    faults = [str(verifier.fault)] if verifier.fault else []
    entries: dict[int, Any] = {}
    executed: Counter[bytes] = Counter()
    for row in verified_rows(0, GENESIS_CHECKSUM):
        for sequence, entry in enumerate(decode_row(row).entries, row.first_sequence):
            entries[sequence] = entry
            if entry.command_id:
                executed[entry.command_id] += 1
    faults += [
        f"{one.hex()} was executed {count} times" for one, count in executed.items() if count > 1
    ]
    for _, answer in load.acknowledged:
        found = entries.get(answer.sequence)
        if found is None or (found.command_id, found.events) != (answer.command_id, answer.events):
            faults.append(f"{answer.command_id.hex()} was answered and is not in the journal")
    return {"journaled": len(entries), "epochs": load.epoch, "faults": faults[:20]}


def say(facts: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(facts) + "\n")
    sys.stdout.flush()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True, help="for the engines' logs")
    parser.add_argument("--blows", type=int, default=1)
    parser.add_argument("--engines", type=int, default=2)
    parser.add_argument("--freeze-s", type=float, default=0.0, help="freeze instead of kill")
    options = parser.parse_args()
    os.chdir(BASE_DIR)
    django.setup()

    async def run() -> dict[str, Any]:
        failover = Failover(options.folder, options.engines)
        return await failover.run(options.blows, options.freeze_s)

    report = asyncio.run(run())
    say(report)
    raise SystemExit(1 if report["faults"] else 0)


if __name__ == "__main__":
    main()
