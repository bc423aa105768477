"""Market-by-order records over loopback into books: rate against latency, whole.

A sender (``stream_mbo``) and a builder (``run_feed``) run as processes of their own. Latency is
counted for each record of the whole run, its start included, from its *scheduled* send time to the
moment when its book is updated and that book's top ten are ready as JSON: a sender or builder that
falls behind makes it longer, never the rate lower. Meanwhile everything is stored in PostgreSQL and
WebSocket clients read the depth from a web process. Prints a table to stderr and, last, one JSON
object.
"""

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, NamedTuple

import psutil
from rich.console import Console
from rich.table import Table

from bench.venue import BASE_DIR, Venue, VenueUnusable, own_venue
from market.feeds.dbn.files import open_dbn
from market.feeds.priority import CHOICES, HIGH

FEED = "bench"
TARGET_P99_MS = 10.0
WHOLE_RATE = 0.99
"""Of the rate: what is under way when the run ends is missing."""
MAX_RECORDS = 40_000_000
"""Of the file, 56 bytes each; a longer run sends it again from its beginning."""
END_TIMEOUT_S = 300.0
SAMPLE_S = 0.25
SWEEP = (1_000, 200_000, 1_000_000, 1_500_000, 2_000_000, 3_000_000)
TELL_EVERY_S = 10.0
TABLE_WIDTH = 170
"""Where there is no terminal, which would say how wide it is."""
CHILDREN_OF = {"builder": "storing"}
"""Whose children are counted by themselves, and as what."""
console = Console(stderr=True, width=None if sys.stderr.isatty() else TABLE_WIDTH)


class Load(NamedTuple):
    """What runs at a time."""

    rate: int
    seconds: float
    stores: bool
    readers: int
    priority: str = HIGH
    """What sender and builder ask for; what they are granted is in the result."""


class Usage:
    """CPU seconds and the most resident memory of processes and their children, sampled."""

    def __init__(self, pids: Mapping[str, int]) -> None:
        self._families = {name: psutil.Process(pid) for name, pid in pids.items()}
        names = {*pids, *(CHILDREN_OF[name] for name in pids if name in CHILDREN_OF)}
        self._cpu: dict[str, dict[int, float]] = {name: {} for name in names}
        self.memory_mib: dict[str, float] = dict.fromkeys(names, 0.0)
        self._sample()
        self._base = {name: dict(cpu) for name, cpu in self._cpu.items()}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._stop.wait(SAMPLE_S):
            self._sample()

    def _sample(self) -> None:
        memory = dict.fromkeys(self.memory_mib, 0.0)
        for family, process in self._families.items():
            with contextlib.suppress(psutil.Error):
                for member in (process, *process.children(recursive=True)):
                    name = family if member == process else CHILDREN_OF.get(family, family)
                    with contextlib.suppress(psutil.Error):
                        times = member.cpu_times()
                        self._cpu[name][member.pid] = times.user + times.system
                        memory[name] += member.memory_info().rss / 2**20
        for name, most in memory.items():
            self.memory_mib[name] = max(self.memory_mib[name], most)

    def stop(self) -> dict[str, float]:
        """CPU seconds by name."""
        self._stop.set()
        self._thread.join()
        return {name: self.spent(name) for name in self._cpu}

    def spent(self, name: str) -> float:
        """CPU seconds up to the last sample."""
        family, base = dict(self._cpu[name]), self._base[name]
        return sum(seconds - base.get(pid, 0.0) for pid, seconds in family.items())


def manage(
    *arguments: str, environment: Mapping[str, str], **pipes: Any
) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        (sys.executable, str(BASE_DIR / "manage.py"), *arguments),
        env={**os.environ, **environment},
        cwd=BASE_DIR,
        text=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
    )


def told(stream: IO[str] | None) -> dict[str, Any]:
    assert stream is not None
    line = stream.readline()
    if not line:
        raise VenueUnusable("a process of the measurement ended early; its lines say why")
    answer: dict[str, Any] = json.loads(line)
    return answer


@contextlib.contextmanager
def ended_after(process: "subprocess.Popen[str]") -> Iterator["subprocess.Popen[str]"]:
    try:
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(END_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def measure(venue: Venue, file: Path, symbol: str, load: Load) -> dict[str, Any]:
    """One run. Raises VenueUnusable."""
    assert venue.facts is not None
    environment = venue.facts["environment"]
    sender = manage(
        *("stream_mbo", str(file), "--rate", str(load.rate), "--port", "0", "--loop", "--json"),
        *("--priority", load.priority),
        environment=environment,
    )
    with ended_after(sender):
        address = told(sender.stdout)["listening"]
        storing = () if load.stores else ("--no-store",)
        builder = manage(
            *("run_feed", FEED, "--connect", address, "--json", *storing),
            *("--priority", load.priority),
            environment=environment,
        )
        with ended_after(builder), readers(venue, symbol, load.readers) as reading:
            pids = {"sender": sender.pid, "builder": builder.pid, **_venue_pids(venue)}
            usage, load_before = Usage(pids), os.getloadavg()[0]
            wait(load.seconds)
            cpu = usage.stop()
            seen = reading()
            builder.terminate()
            built = told(builder.stdout)
            sender.terminate()
            sent = told(sender.stdout)
    return {
        "rate": load.rate,
        "seconds": load.seconds,
        "stores": load.stores,
        "measured_seconds": built["seconds"],
        "priority": {"sender": sent["priority"], "builder": built["priority"]},
        "machine_load": {"before": load_before, "after": os.getloadavg()[0]},
        "achieved_rate": built["records_per_s"],
        "sender_late_ms": sent["max_behind_ms"],
        "latency_ms": {name: us / 1_000 for name, us in built["latency_us"].items()},
        "cpu_cores": {name: round(spent / load.seconds, 3) for name, spent in cpu.items()},
        "memory_mib": {name: round(most) for name, most in usage.memory_mib.items()},
        "readers": seen,
        **{name: built[name] for name in ("records", "gaps", "anomalies", "storage", "error")},
    }


def wait(seconds: float) -> None:
    """Tells how far it is."""
    begun = time.monotonic()
    while (passed := time.monotonic() - begun) < seconds:
        time.sleep(min(TELL_EVERY_S, seconds - passed))
        console.print(f"  {time.monotonic() - begun:.0f} of {seconds:.0f} s")


def is_within_target(run: Mapping[str, Any]) -> bool:
    """Fast enough, at the whole rate, and nothing was lost on the way or in storage."""
    storage = run["storage"]
    return (
        run["latency_ms"]["p99"] < TARGET_P99_MS
        and run["achieved_rate"] >= WHOLE_RATE * run["rate"]
        and not (run["gaps"] or run["error"])
        and (storage is None or storage["is_whole"])
    )


def middle(runs: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Of runs of one load, the one with the median p99; of an even number, the worse of two."""
    ordered = sorted(runs, key=lambda run: float(run["latency_ms"]["p99"]))
    return ordered[len(ordered) // 2]


def raise_database(venue: Venue) -> bool:
    """Connections that our own database gets from now on go before other programs, too, though
    after sender and builder: storage is as fast as the slower of its two processes. False: the
    system does not permit it."""
    pid = _venue_pids(venue).get("postgres")
    with contextlib.suppress(OSError, AttributeError):
        if pid is not None:
            os.sched_setscheduler(pid, os.SCHED_RR, os.sched_param(1))
            return True
    return False


def storage_cost(venue: Venue) -> dict[str, Any]:
    """What all runs that stored have left in the database."""
    found: dict[str, Any] = json.loads(venue.manage("feeds_storage", FEED, "--json"))
    return found


def _venue_pids(venue: Venue) -> dict[str, int]:
    assert venue.facts is not None
    folder = Path(venue.facts["pid_folder"])
    names = ("web", "postgres")
    return {
        name: int((folder / f"{name}.pid").read_text())
        for name in names
        if (folder / f"{name}.pid").exists()
    }


@contextlib.contextmanager
def readers(venue: Venue, symbol: str, count: int) -> Iterator[Any]:
    """Gives a call that ends them and tells what they saw. Begins when the feed is served and all
    of them have a snapshot."""
    _wait_for_feed(venue, symbol)
    if not count:
        yield dict
        return
    url = venue.url.replace("http", "ws", 1) + "/ws/stream"
    job = subprocess.Popen(
        (
            *(sys.executable, "-m", "bench.mbo_readers", "--url", url),
            *("--channel", f"depth@feed:{FEED}/{symbol}", "--readers", str(count)),
        ),
        cwd=BASE_DIR,
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with ended_after(job):
        told(job.stdout)

        def end() -> dict[str, Any]:
            assert job.stdin is not None
            job.stdin.close()
            return told(job.stdout)

        yield end


def _wait_for_feed(venue: Venue, symbol: str) -> None:
    deadline = time.monotonic() + END_TIMEOUT_S
    while time.monotonic() < deadline:
        answer = venue.api.get(f"/api/v1/feeds/{FEED}/book", params={"instrument": symbol})
        if answer.is_success:
            return
        time.sleep(0.2)
    raise VenueUnusable(f"the feed is not served: {answer.status_code} {answer.text[:300]}")


def generated(folder: Path, arguments: argparse.Namespace) -> tuple[Path, str]:
    """The file to send, and the symbol of its first book."""
    file = arguments.file or folder / "bench.dbn"
    if arguments.file is None:
        records = min(MAX_RECORDS, int(arguments.rate * (arguments.seconds + 30)))
        console.print(f"generating {records:,} records ({records * 56 / 1e9:.1f} GB)")
        process = manage(
            *("generate_mbo", str(file), "--records", str(records), "--json"),
            *("--ladder", arguments.ladder, "--instruments", str(arguments.instruments)),
            *("--records-per-second", str(arguments.rate), "--clear-every", "0"),
            environment={},
        )
        told(process.stdout)
        process.wait()
    with open_dbn(file) as dbn:
        return file, next(iter(dbn.symbols.values()))


def table_of(runs: Sequence[Mapping[str, Any]]) -> Table:
    table = Table(title="From the scheduled send time to book and top-10 JSON; CPU in cores")
    columns = ("rate/s", "s", "achieved", "lost", "readers", "p50 ms", "p99", "p99.9", "max")
    parts = ("sender", "builder", "storing", "postgres", "web")
    for name in (*columns, *parts, "MiB", "load"):
        table.add_column(name, justify="right")
    for run in runs:
        latency, cpu, storage = run["latency_ms"], run["cpu_cores"], run["storage"]
        table.add_row(
            f"{run['rate']:,}",
            f"{run['measured_seconds']:.0f}",
            f"{run['achieved_rate']:,}",
            "not stored" if storage is None else f"{storage['dropped_records']:,}",
            str(run["readers"].get("readers", 0)),
            *(f"{latency[name]:.2f}" for name in ("p50", "p99", "p99_9", "max")),
            *(f"{cpu.get(name, 0.0):.2f}" for name in parts),
            f"{sum(run['memory_mib'].values()):,.0f}",
            f"{run['machine_load']['after']:.1f}",
        )
    return table


def arguments_of(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rate", type=int, default=500_000, help="records a second (500,000)")
    parser.add_argument("--seconds", type=float, default=60, help="of the main run (60)")
    parser.add_argument("--readers", type=int, default=100, help="WebSocket clients (100)")
    parser.add_argument(
        "--priority",
        choices=CHOICES,
        default=HIGH,
        help="of sender, builder and database, where the system permits it (high)",
    )
    parser.add_argument("--no-store", action="store_false", dest="stores")
    parser.add_argument(
        "--sweep",
        action="store_true",
        help="other rates, too, without storage and readers: " + ", ".join(map(str, SWEEP)),
    )
    parser.add_argument("--sweep-seconds", type=float, default=15)
    parser.add_argument("--repeat", type=int, default=1, help="runs of each load (1)")
    parser.add_argument("--file", type=Path, help="this DBN file instead of a generated one")
    parser.add_argument("--ladder", choices=("narrow", "wide"), default="narrow")
    parser.add_argument("--instruments", type=int, default=4)
    return parser.parse_args(argv)


def main() -> int:
    arguments = arguments_of()
    urgency = arguments.priority
    loads = [Load(arguments.rate, arguments.seconds, arguments.stores, arguments.readers, urgency)]
    if arguments.sweep:
        loads += [Load(rate, arguments.sweep_seconds, False, 0, urgency) for rate in SWEEP]
    runs: list[dict[str, Any]] = []
    stored = error = None
    is_database_raised = False
    try:
        with (
            tempfile.TemporaryDirectory(prefix="rialto-mbo-") as folder,
            own_venue({"RUN_BOTS": "0"}) as venue,
        ):
            is_database_raised = arguments.priority == HIGH and raise_database(venue)
            file, symbol = generated(Path(folder), arguments)
            for load in (load for load in loads for _ in range(arguments.repeat)):
                console.print(f"{load.rate:,} records a second for {load.seconds:.0f} s")
                runs.append(measure(venue, file, symbol, load))
            stored = storage_cost(venue) if arguments.stores else None
    except VenueUnusable as unusable:
        error = str(unusable)
        console.print(f"[red]{error}[/red]")
    console.print(table_of(runs))
    step = arguments.repeat
    medians = [middle(runs[start : start + step]) for start in range(0, len(runs), step)]
    result = {
        "runs": runs,
        "best_rate_within_target": max(
            (run["rate"] for run in medians if is_within_target(run)), default=0
        ),
        "target_p99_ms": TARGET_P99_MS,
        "database_priority": "realtime" if is_database_raised else "normal",
        "stored": stored,
        "error": error,
    }
    print(json.dumps(result))
    return 2 if error else 0


if __name__ == "__main__":
    sys.exit(main())
