"""Runs a measuring step in a process of its own, which tells how far it is."""

import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from typing import Any

from bench.venue import BASE_DIR, VenueUnusable


def run_job(
    module: str,
    *arguments: str,
    environment: Mapping[str, str],
    on_progress: Callable[[int], None] = lambda done: None,
) -> dict[str, Any]:
    """The result: the last JSON object on the standard output of ``python -m module``. Those before
    it are ``{"done": N}``. Raises VenueUnusable where there is none."""
    process = subprocess.Popen(
        (sys.executable, "-m", module, *arguments),
        env=environment,
        cwd=BASE_DIR,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    )
    result: dict[str, Any] | None = None
    try:
        assert process.stdout is not None
        for line in process.stdout:
            told = json.loads(line)
            if set(told) == {"done"}:
                on_progress(told["done"])
            else:
                result = told
    finally:
        if result is None:
            process.kill()
        process.wait()
    if result is None:
        raise VenueUnusable(f"{module} {' '.join(arguments)} gave no result; its lines say why")
    return result
