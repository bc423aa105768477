"""Runs one engine in this process: python run.py ADAPTER FLOW_FILE.

Each line on standard input asks for one timed run and is answered with its seconds; the end of the
input with a JSON object of what the engine did: trades, lots traded, and a digest of all fills.
"""

import gc
import hashlib
import importlib
import json
import platform
import sys
import time
from importlib import metadata
from pathlib import Path
from typing import Any


def timed_run(adapter: Any, operations: list[tuple[Any, ...]]) -> float:
    """Seconds that a fresh engine takes for the flow."""
    prepared = adapter.prepare(operations)
    gc.collect()
    gc.freeze()
    start = time.perf_counter()
    adapter.run(prepared)
    seconds = time.perf_counter() - start
    gc.unfreeze()
    return seconds


def outcome(adapter: Any, operations: list[tuple[Any, ...]]) -> dict[str, Any]:
    trades = lots = 0
    digest = hashlib.sha256()
    for price_ticks, fill_lots in adapter.fills(adapter.prepare(operations)):
        trades += 1
        lots += fill_lots
        digest.update(b"%d %d\n" % (price_ticks, fill_lots))
    return {
        "trades": trades,
        "lots": lots,
        "fills_sha256": digest.hexdigest(),
        "python": platform.python_version(),
        "version": metadata.version(adapter.DISTRIBUTION) if adapter.DISTRIBUTION else "",
        "build": adapter.build(),
    }


def main() -> None:
    adapter = importlib.import_module(sys.argv[1])
    operations = [tuple(item) for item in json.loads(Path(sys.argv[2]).read_bytes())]
    for _ in sys.stdin:
        print(timed_run(adapter, operations), flush=True)
    print(json.dumps(outcome(adapter, operations)), flush=True)


if __name__ == "__main__":
    main()
