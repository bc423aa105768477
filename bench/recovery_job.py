"""One step of bench_recovery, in a process of its own with the database that DATA_DIR or
DATABASE_URL names: ``write`` a journal, ``recover`` from it, or ``forget`` its snapshots.

Prints JSON objects, one a line: ``{"done": N}`` while it works, the result last.
"""

import argparse
import hashlib
import json
import resource
import sys
import time
from typing import Any

import django
import msgspec

WRITE_SEED = 1
COMMANDS_A_BATCH = 300
"""As a busy venue's batches are (docs/performance.md)."""
BATCH_EVERY_NS = 30_000_000
"""Time between two batches: 10,000 commands a second, near the most that the venue takes."""
FIRST_TIME_NS = 1_700_000_000 * 10**9
REPORT_EVERY_BATCHES = 20


def say(facts: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(facts) + "\n")
    sys.stdout.flush()


def write(commands: int, snapshot_at: int) -> dict[str, Any]:
    """A journal as an engine would have written it, and one snapshot on the way."""
    from bench.pipeline_flow import Flow, start_commands
    from orderbook.core.commands import OpenEpoch
    from orderbook.core.engine import Engine
    from orderbook.core.snapshot import snapshot, state_hash, stored_hash
    from orderbook.journal import GENESIS_CHECKSUM
    from orderbook.models import Snapshot
    from orderbook.worker.journal_writer import JournalWriter

    engine, flow, writer = Engine(), Flow(WRITE_SEED), JournalWriter()
    epoch = writer.submit(writer.open_epoch, GENESIS_CHECKSUM, 0).result()
    sequence, time_ns, rows = 0, FIRST_TIME_NS, 0
    batch: list[Any] = [OpenEpoch(epoch), *start_commands()]
    kept = 0
    while batch:
        entries = [
            _executed(engine, sequence + number, time_ns, command)
            for number, command in enumerate(batch, 1)
        ]
        first, sequence = sequence + 1, sequence + len(entries)
        checksum = writer.submit(writer.append, first, sequence, time_ns, entries).result()
        if not kept and sequence >= snapshot_at:
            kept, state = sequence, snapshot(engine)
            Snapshot.objects.create(
                sequence=sequence,
                time_ns=time_ns,
                state=state,
                state_hash=bytes.fromhex(stored_hash(state)),
                journal_checksum=checksum,
            )
        rows += 1
        if rows % REPORT_EVERY_BATCHES == 0:
            say({"done": sequence})
        time_ns += BATCH_EVERY_NS
        batch, _ = flow.take(min(COMMANDS_A_BATCH, commands - sequence))
    writer.close()
    return {
        "commands": sequence,
        "rows": rows,
        "snapshot_at": kept,
        "open_orders": sum(len(account.orders) for account in engine.accounts.values()),
        "state_hash": state_hash(engine),
    }


def _executed(engine: Any, sequence: int, time_ns: int, command: Any) -> Any:
    """The entry of a command; a limit order gets a client order id, as most have."""
    from orderbook.core.commands import PlaceOrder
    from orderbook.journal import Entry

    if isinstance(command, PlaceOrder):
        command = msgspec.structs.replace(command, client_order_id=f"order-{sequence}")
    return Entry(_command_id(sequence), command, engine.apply(command, time_ns))


def _command_id(number: int) -> bytes:
    """As long and as unlike each other as a gateway's."""
    return hashlib.blake2b(number.to_bytes(8, "big"), digest_size=16).digest()


def recover() -> dict[str, Any]:
    from orderbook.core.snapshot import state_hash
    from orderbook.worker.recovery import Replica

    started, cpu = time.perf_counter(), time.process_time()
    replica = Replica()
    replica.recover()
    seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - cpu
    return {
        "seconds": round(seconds, 3),
        "cpu_seconds": round(cpu_seconds, 3),
        "sequence": replica.sequence,
        "remembered_answers": len(replica.answers),
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        "state_hash": state_hash(replica.engine),
    }


def forget() -> dict[str, Any]:
    """Drops every snapshot: the next recovery starts from the journal's first row."""
    from orderbook.models import Snapshot

    return {"forgotten": Snapshot.objects.all().delete()[0]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("step", choices=("write", "recover", "forget"))
    parser.add_argument("--commands", type=int, default=0)
    parser.add_argument("--snapshot-at", type=int, default=0)
    options = parser.parse_args()
    django.setup()
    if options.step == "write":
        say(write(options.commands, options.snapshot_at))
    else:
        say({"recover": recover, "forget": forget}[options.step]())


if __name__ == "__main__":
    main()
