"""What the venue measures about itself, for Prometheus; every process imports the same names.

Definitions only: the part that knows a number sets it. Labels come from small fixed sets (symbols,
reject codes, kinds), never from what a caller typed or from an account.

Where ``PROMETHEUS_MULTIPROC_DIR`` is set, all processes on the machine write into that folder and
any of them answers for all; the supervisor of `make run-full` does so. Otherwise each process
answers for itself: the web's at ``/metrics``, the others' where ``METRICS_PORT`` says.
"""

import os
from pathlib import Path

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    REGISTRY,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
    multiprocess,
    start_http_server,
)

_LATENCY_BUCKETS_S = (
    0.0005, 0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.015, 0.02, 0.03, 0.05, 0.1, 0.25, 0.5, 1.0,
    2.5, 5.0,
)  # fmt: skip
_BATCH_BUCKETS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000)

# Engine.
ORDERS = Counter("rialto_orders", "Orders that the engine accepted, by symbol.", ["symbol"])
REJECTS = Counter(
    "rialto_rejects", "Commands that the engine refused by its rules, by reject code.", ["code"]
)
TRADES = Counter("rialto_trades", "Trades that the engine made, by symbol.", ["symbol"])
COMMANDS = Counter("rialto_commands", "Commands that the engine executed and journaled.")
REPEATED_COMMANDS = Counter(
    "rialto_repeated_commands",
    "Commands that arrived again and were answered with their first result.",
)
LATE_COMMANDS = Counter(
    "rialto_late_commands", "Commands that arrived after their deadline and were dropped."
)
ENGINE_COMMAND_SECONDS = Histogram(
    "rialto_engine_command_seconds",
    "Time in the engine of a batch: from taking it off the queue to its durable answers.",
    buckets=_LATENCY_BUCKETS_S,
)
ENGINE_QUEUE_DEPTH = Gauge(
    "rialto_engine_queue_depth",
    "Commands that the engine took off the queue and has not answered.",
    multiprocess_mode="livesum",
)
ENGINE_LEADER = Gauge(
    "rialto_engine_leader",
    "1 while an engine leads and executes commands; the sum over engines should be 1.",
    multiprocess_mode="livesum",
)
ENGINE_SEQUENCE = Gauge(
    "rialto_engine_sequence", "Last journal sequence of the engine.", multiprocess_mode="livemax"
)

# Journal.
JOURNAL_COMMIT_SECONDS = Histogram(
    "rialto_journal_commit_seconds",
    "Time for one commit of a batch of commands to the journal.",
    buckets=_LATENCY_BUCKETS_S,
)
JOURNAL_BATCH_COMMANDS = Histogram(
    "rialto_journal_batch_commands",
    "Commands in one commit of the journal.",
    buckets=_BATCH_BUCKETS,
)
SNAPSHOT_SECONDS = Histogram(
    "rialto_snapshot_seconds",
    "Time to pack and store one snapshot of the engine's state, beside the engine.",
    buckets=(0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0),
)
SNAPSHOT_PAUSE_SECONDS = Histogram(
    "rialto_snapshot_pause_seconds",
    "How long the engine stood still while it was forked for a snapshot.",
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0),
)

# Projector.
PROJECTOR_LAG_COMMANDS = Gauge(
    "rialto_projector_lag_commands",
    "Journaled commands that the slowest table does not show yet.",
    multiprocess_mode="livemostrecent",
)
PROJECTOR_LAG_SECONDS = Gauge(
    "rialto_projector_lag_seconds",
    "Age of the oldest journaled command that the slowest table does not show yet; 0 when level.",
    multiprocess_mode="livemostrecent",
)

# Gateways and web processes.
GATEWAY_INFLIGHT = Gauge(
    "rialto_gateway_inflight",
    "Commands that gateways sent or hold and that are not answered.",
    multiprocess_mode="livesum",
)
GATEWAY_RESENDS = Counter(
    "rialto_gateway_resends", "Commands that a gateway sent again because no answer came."
)
GATEWAY_UNAVAILABLE = Counter(
    "rialto_gateway_unavailable", "Commands answered with engine_unavailable: never executed."
)
GATEWAY_UNKNOWN = Counter(
    "rialto_gateway_outcome_unknown", "Commands answered with outcome_unknown at their deadline."
)
GATEWAY_COMMAND_SECONDS = Histogram(
    "rialto_gateway_command_seconds",
    "Time from a gateway taking a command to its answer: queue, engine and journal together.",
    buckets=_LATENCY_BUCKETS_S,
)
SOCKETS = Gauge(
    "rialto_sockets",
    "WebSockets that are open, by kind.",
    ["kind"],
    multiprocess_mode="livesum",
)
SOCKETS_DROPPED = Counter(
    "rialto_sockets_dropped", "WebSockets closed because their client stopped reading.", ["kind"]
)
ORDER_REQUESTS = Counter(
    "rialto_order_requests",
    "Order requests by how the door answered: accepted, refused (by the engine's rules), invalid, "
    "rate_limited, unavailable, unknown.",
    ["outcome"],
)
HTTP_REQUESTS = Counter(
    "rialto_http_requests", "HTTP answers by method and status.", ["method", "status"]
)

# Storage of market data feeds, as the process that reads the feed sees it.
FEED_STORE_QUEUED_RECORDS = Gauge(
    "rialto_feed_store_queued_records",
    "Records of a feed that wait to be stored.",
    ["feed"],
    multiprocess_mode="livemax",
)
FEED_STORE_BEHIND_SECONDS = Gauge(
    "rialto_feed_store_behind_seconds",
    "Age of the oldest record of a feed that waits to be stored; 0 when none does.",
    ["feed"],
    multiprocess_mode="livemax",
)
FEED_STORE_DROPPED_RECORDS = Counter(
    "rialto_feed_store_dropped_records",
    "Records of a feed that are not stored, because storage could not keep up.",
    ["feed"],
)
FEED_STORE_RESTARTS = Counter(
    "rialto_feed_store_restarts",
    "How often the process that stores a feed ended by itself and was started again.",
    ["feed"],
)


def render() -> tuple[bytes, str]:
    """The page that Prometheus reads, and its content type."""
    registry: CollectorRegistry = REGISTRY
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        registry = CollectorRegistry()
        multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return generate_latest(registry), CONTENT_TYPE_LATEST


def serve_metrics() -> None:
    """Serves this process's numbers on METRICS_HOST:METRICS_PORT; does nothing without a port.

    For processes without a web server (engine, projector). Loopback unless METRICS_HOST says else.
    """
    port = int(os.environ.get("METRICS_PORT") or 0)
    if port:
        start_http_server(port, addr=os.environ.get("METRICS_HOST", "127.0.0.1"))


def forget_process(pid: int, folder: Path) -> None:
    """Takes a dead process out of a shared folder's live gauges; its counts stay in the sums."""
    multiprocess.mark_process_dead(pid, str(folder))  # type: ignore[no-untyped-call]
