"""What is written in bulk or in PostgreSQL's own way is right on PostgreSQL too: the unit tests of
projections, reads and services run once more, in a process of their own, on a private server."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from config.private_services import PrivatePostgres

ROOT = Path(__file__).resolve().parents[2]
TIMEOUT_S = 1_200
TESTS = (
    "tests/integration/test_pipeline.py",
    "tests/integration/test_recovery.py",
    "tests/integration/test_every_kind_projected.py",
    "tests/unit/orderbook/test_bulk.py",
    "tests/unit/accounts/test_projections.py",
    "tests/unit/accounts/test_reconciliation.py",
    "tests/unit/accounts/test_selectors.py",
    "tests/unit/accounts/test_services.py",
    "tests/unit/accounts/test_sign_api.py",
    "tests/unit/accounts/test_admin.py",
    "tests/unit/market/test_projections.py",
    "tests/unit/market/test_selectors.py",
    "tests/unit/trading/test_selectors.py",
)
NOT_DURABLE = "?options=-c%20synchronous_commit%3Doff"
"""Nothing is killed here, and hundreds of tests empty every table."""
SQLITE_ONLY = "reads_are_indexed"
"""Reads SQLite's query plans."""


@pytest.mark.slow
def test_projections_reads_and_services_on_postgres(postgres_server: PrivatePostgres) -> None:
    options = ["-q", "-p", "no:cacheprovider", "-k", f"not {SQLITE_ONLY}"]
    run = subprocess.run(
        [sys.executable, "-m", "pytest", *options, *TESTS],
        cwd=ROOT,
        env={**os.environ, "TEST_DATABASE_URL": postgres_server.url + NOT_DURABLE},
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert run.returncode == 0, run.stdout[-5_000:] + run.stderr[-2_000:]
