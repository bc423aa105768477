"""Market-by-order records over loopback into books: rate against latency, whole.

A sender (``stream_mbo``) and a builder (``run_feed``) run as processes of their own. Latency is
counted for each record, from its *scheduled* send time to the moment when its book is updated and
that book's top ten are ready as JSON: a sender or builder that falls behind makes it longer, never
the rate lower. Meanwhile everything is stored in PostgreSQL and WebSocket clients read the depth
from a web process. Prints a table to stderr and, last, one JSON object.
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
from collections.abc import Iterator, Mapping
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
MAX_RECORDS = 40_000_000
"""Of the file, 56 bytes each; a longer run sends it again from its beginning."""
END_TIMEOUT_S = 300.0
SAMPLE_S = 0.25
SWEEP = (1_000, 50_000, 200_000, 1_000_000, 1_500_000, 2_000_000, 3_000_000)
console = Console(stderr=True)


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
        self._cpu: dict[str, dict[int, float]] = {name: {} for name in pids}
        self._base: dict[str, dict[int, float]] = {}
        self.memory_mib: dict[str, float] = dict.fromkeys(pids, 0.0)
        self._sample()
        self._base = {name: dict(cpu) for name, cpu in self._cpu.items()}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._stop.wait(SAMPLE_S):
            self._sample()

    def _sample(self) -> None:
        for name, process in self._families.items():
            memory = 0.0
            with contextlib.suppress(psutil.Error):
                for member in (process, *process.children(recursive=True)):
                    with contextlib.suppress(psutil.Error):
                        times = member.cpu_times()
                        self._cpu[name][member.pid] = times.user + times.system
                        memory += member.memory_info().rss / 2**20
            self.memory_mib[name] = max(self.memory_mib[name], memory)

    def stop(self) -> dict[str, float]:
        """CPU seconds by name."""
        self._stop.set()
        self._thread.join()
        return {
            name: sum(seconds - self._base[name].get(pid, 0.0) for pid, seconds in family.items())
            for name, family in self._cpu.items()
        }


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
            usage = Usage(pids)
            time.sleep(load.seconds)
            cpu = usage.stop()
            seen = reading()
            builder.terminate()
            built = told(builder.stdout)
    return {
        "rate": load.rate,
        "seconds": load.seconds,
        "stores": load.stores,
        "achieved_rate": built["records_per_s"],
        "latency_ms": {name: us / 1_000 for name, us in built["latency_us"].items()},
        "cpu_cores": {name: round(spent / load.seconds, 3) for name, spent in cpu.items()},
        "memory_mib": {name: round(most) for name, most in usage.memory_mib.items()},
        "readers": seen,
        **{name: built[name] for name in ("records", "gaps", "anomalies", "storage", "error")},
    }


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
    """Gives a call that ends them and tells what they saw. Begins when all have a snapshot."""
    if not count:
        yield dict
        return
    _wait_for_feed(venue, symbol)
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


def table_of(runs: list[dict[str, Any]]) -> Table:
    table = Table(title="From the scheduled send time to book and top-10 JSON")
    columns = ("rate/s", "achieved", "stored", "readers", "p50 ms", "p99", "p99.9", "max")
    for name in (*columns, "sender", "builder"):
        table.add_column(name, justify="right")
    for run in runs:
        latency, cpu = run["latency_ms"], run["cpu_cores"]
        table.add_row(
            f"{run['rate']:,}",
            f"{run['achieved_rate']:,}",
            "yes" if run["stores"] else "no",
            str(run["readers"].get("readers", 0)),
            *(f"{latency[name]:.2f}" for name in ("p50", "p99", "p99_9", "max")),
            *(f"{cpu[name]:.2f}" for name in ("sender", "builder")),
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
        help="of sender and builder, where the system permits it (high)",
    )
    parser.add_argument("--no-store", action="store_false", dest="stores")
    parser.add_argument(
        "--sweep",
        action="store_true",
        help="other rates, too, without storage and readers: " + ", ".join(map(str, SWEEP)),
    )
    parser.add_argument("--sweep-seconds", type=float, default=15)
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
    try:
        with (
            tempfile.TemporaryDirectory(prefix="rialto-mbo-") as folder,
            own_venue({"RUN_BOTS": "0"}) as venue,
        ):
            file, symbol = generated(Path(folder), arguments)
            for load in loads:
                console.print(f"{load.rate:,} records a second for {load.seconds:.0f} s")
                runs.append(measure(venue, file, symbol, load))
    except VenueUnusable as error:
        console.print(f"[red]{error}[/red]")
        return 2
    console.print(table_of(runs))
    within = [run["achieved_rate"] for run in runs if run["latency_ms"]["p99"] < TARGET_P99_MS]
    result = {
        "runs": runs,
        "best_rate_within_target": max(within, default=0),
        "target_p99_ms": TARGET_P99_MS,
    }
    print(json.dumps(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())
