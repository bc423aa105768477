"""Orders a second from a gateway through the engine and back, with the commit before the reply.

Real processes on private servers: clients and their gateway in one, the engine worker in another,
Redis between them, PostgreSQL under the journal; no web, projector or bots. Each of --clients
programs hands its gateway a batch of commands at once and its next batch when every command of the
last one is answered, which the engine does after the journal's commit. The flow: 50 % passive limit
orders, 40 % cancels of open orders, 10 % marketable orders. Every answer is compared with what the
core alone gives. Prints a table, and one JSON object last.
"""

import argparse
import json
import os
import secrets
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console
from rich.table import Table

from bench.pipeline_load import Plan, Sample
from bench.venue import BASE_DIR
from config.private_services import PrivatePostgres, PrivateRedis, PrivateServiceError
from config.processes import ProcessSpec, spawn, stop

BATCH_SIZES = (1, 10, 50, 100, 200, 500, 1_000)
TARGET_ORDERS_PER_S = 60_000
SHOWN_LOG_BYTES = 4_000
TABLE_WIDTH = 100
POLL_S = 0.05


class PipelineFailed(Exception):
    """A part did not start or did not do its work; the message has the end of its log."""


@contextmanager
def _running(spec: ProcessSpec, folder: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """The process, ready for use; stopped at the end."""
    log = folder / f"{spec.name}.log"
    with log.open("wb") as output:
        process = spawn(spec, output)
    try:
        deadline = time.monotonic() + spec.start_timeout_s
        while not spec.is_ready():
            if process.poll() is not None or time.monotonic() > deadline:
                raise PipelineFailed(f"{spec.name} did not start:\n{_end_of(log)}")
            time.sleep(POLL_S)
        yield process
    finally:
        stop(process, spec)


def _end_of(log: Path) -> str:
    return log.read_bytes()[-SHOWN_LOG_BYTES:].decode(errors="replace")


def _venue_environment(folder: Path, postgres_url: str, redis_url: str) -> dict[str, str]:
    metrics = folder / "metrics"
    metrics.mkdir()
    return {
        "DJANGO_SETTINGS_MODULE": "config.settings.production",
        "SECRET_KEY": secrets.token_urlsafe(64),
        "DATA_DIR": str(folder),
        "DATABASE_URL": postgres_url,
        "REDIS_URL": redis_url,
        "PLAIN_HTTP": "1",
        "LOG_FORMAT": "console",
        # As run_full does: counters in files that the processes share.
        "PROMETHEUS_MULTIPROC_DIR": str(metrics),
        "METRICS_PORT": "",
        "PYTHONUNBUFFERED": "1",
    }


@contextmanager
def running_venue(console: Console) -> Iterator[tuple[dict[str, str], dict[str, int]]]:
    """(environment, pids by name) of servers and an engine of our own.

    Raises PipelineFailed, or PrivateServiceError where a server's binaries are missing.
    """
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="rialto-pipeline-")))
        folder.chmod(0o755)  # The private PostgreSQL server's own user passes through.
        console.print("starting PostgreSQL, Redis and the engine", style="dim")
        postgres, redis = PrivatePostgres(folder), PrivateRedis(folder)
        postgres.prepare()
        redis.prepare()
        pids = {"postgres": stack.enter_context(_running(postgres.spec(), folder)).pid}
        postgres.create_database()
        pids["redis"] = stack.enter_context(_running(redis.spec(), folder)).pid
        environment = _venue_environment(folder, postgres.url, redis.url)
        migrate = _manage("migrate", "-v0")
        done = subprocess.run(
            migrate,
            env={**os.environ, **environment},
            cwd=BASE_DIR,
            capture_output=True,
            check=False,
        )
        if done.returncode:
            raise PipelineFailed(f"migrate failed:\n{done.stderr.decode(errors='replace')}")
        engine = ProcessSpec("engine", _manage("run_engine"), environment)
        pids["engine"] = stack.enter_context(_running(engine, folder)).pid
        try:
            yield environment, pids
        except PipelineFailed as error:
            raise PipelineFailed(f"{error}\nengine:\n{_end_of(folder / 'engine.log')}") from None


def _manage(*arguments: str) -> tuple[str, ...]:
    return (sys.executable, str(BASE_DIR / "manage.py"), *arguments)


def run(options: argparse.Namespace, console: Console) -> tuple[list[Sample], bool]:
    """Every measurement, and whether all answers were right."""
    samples: list[Sample] = []
    consistent: bool | None = None
    with running_venue(console) as (environment, pids):
        plan = Plan(options.batch_sizes, options.rounds, options.clients, options.seed, pids)
        process = subprocess.Popen(
            (sys.executable, "-m", "bench.pipeline_load"),
            env={**os.environ, **environment},
            cwd=BASE_DIR,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        try:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(msgspec.json.encode(plan))
            process.stdin.close()
            for line in process.stdout:
                told = json.loads(line)
                if "failed" in told:
                    raise PipelineFailed(
                        f"a batch was not executed: {told['failed']} Is the machine busy?"
                    )
                if "consistent" in told:
                    consistent = told["consistent"]
                    continue
                sample = msgspec.convert(told, Sample)
                samples.append(sample)
                console.print(_progress(sample, len(samples), options), style="dim")
        finally:
            if process.poll() is None and consistent is None:
                process.kill()
            process.wait()
        if consistent is None:
            raise PipelineFailed("the gateway's process ended early")
    return samples, consistent


def _progress(sample: Sample, number: int, options: argparse.Namespace) -> str:
    total = options.rounds * len(options.batch_sizes)
    rate = sample.orders / sample.seconds
    return f"{number}/{total}: batches of {sample.batch_size:,}: {rate:,.0f} orders/s"


def summary(samples: list[Sample]) -> list[dict[str, Any]]:
    """Medians over the rounds, by batch size."""
    rows = []
    for batch_size in dict.fromkeys(sample.batch_size for sample in samples):
        ours = [sample for sample in samples if sample.batch_size == batch_size]
        rates = [sample.orders / sample.seconds for sample in ours]
        rows.append(
            {
                "batch_size": batch_size,
                "orders_per_s": round(statistics.median(rates)),
                "orders_per_s_best_round": round(max(rates)),
                "p50_ms": round(statistics.median(sample.p50_ms for sample in ours), 3),
                "p99_ms": round(statistics.median(sample.p99_ms for sample in ours), 3),
                "cpu_us_per_order": {
                    name: round(
                        statistics.median(sample.cpu_us_per_order[name] for sample in ours), 2
                    )
                    for name in ours[0].cpu_us_per_order
                },
            }
        )
    return rows


def table(rows: list[dict[str, Any]], options: argparse.Namespace) -> Table:
    parts = list(rows[0]["cpu_us_per_order"])
    shown = Table(
        title="Gateway to engine and back, the journal's commit before the reply",
        width=TABLE_WIDTH,
        caption=(
            f"A batch is what a client hands to the gateway at once; {options.clients} clients in "
            "one process each have one batch under way. p50 and p99: from handing a batch over to "
            f"the last of its answers. Medians of {options.rounds} rounds; CPU in µs an order."
        ),
    )
    for name in ("batch", "orders/s", "best", "p50 ms", "p99 ms", *parts, "all"):
        shown.add_column(name, justify="right")
    for row in rows:
        cpu = row["cpu_us_per_order"]
        shown.add_row(
            f"{row['batch_size']:,}",
            f"{row['orders_per_s']:,}",
            f"{row['orders_per_s_best_round']:,}",
            f"{row['p50_ms']:.2f}",
            f"{row['p99_ms']:.2f}",
            *(f"{cpu[name]:.1f}" for name in parts),
            f"{sum(cpu.values()):.1f}",
        )
    return shown


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--batch-sizes",
        type=lambda text: [int(part) for part in text.split(",")],
        default=list(BATCH_SIZES),
        help="comma-separated (default: %(default)s)",
    )
    parser.add_argument("--rounds", type=int, default=5, help="measurements of each batch size")
    parser.add_argument("--clients", type=int, default=2, help="clients with one batch each")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true", help="only the JSON object")
    options = parser.parse_args(arguments)
    if min(options.rounds, options.clients, *options.batch_sizes) < 1:
        parser.error("batch sizes, rounds and clients are at least 1")
    return options


def main() -> int:
    options = parse_arguments()
    console = Console(stderr=True, quiet=options.json)
    load_before = os.getloadavg()[0]
    try:
        samples, consistent = run(options, console)
    except (PipelineFailed, PrivateServiceError) as error:
        print(error, file=sys.stderr)
        return 1
    rows = summary(samples)
    if not options.json:
        Console(width=TABLE_WIDTH).print(table(rows, options))
    best = max(rows, key=lambda row: row["orders_per_s"])
    report = {
        "clients": options.clients,
        "rounds": options.rounds,
        "seed": options.seed,
        "points": rows,
        "best_batch_size": best["batch_size"],
        "best_orders_per_s": best["orders_per_s"],
        "target_orders_per_s": TARGET_ORDERS_PER_S,
        "reached": best["orders_per_s"] >= TARGET_ORDERS_PER_S,
        "load_average_before": round(load_before, 2),
        "consistent": consistent,
    }
    print(json.dumps(report))
    return 0 if consistent else 1


if __name__ == "__main__":
    sys.exit(main())
