"""What storage writes in PostgreSQL's own way is right there, too: its tests run once more, in a
process of their own, on a private server."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from config.private_services import PrivatePostgres

ROOT = Path(__file__).resolve().parents[3]
TIMEOUT_S = 1_200
NOT_DURABLE = "?options=-c%20synchronous_commit%3Doff"
TESTS = (
    "tests/unit/feeds/storage",
    "tests/integration/feeds/test_storage_process.py",
    "tests/integration/feeds/test_storage_outages.py",
    "tests/integration/feeds/test_storage_takeover.py",
    "tests/integration/feeds/test_storage_under_pressure.py",
)


@pytest.mark.slow
def test_storage_on_postgres(postgres_server: PrivatePostgres) -> None:
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *TESTS],
        cwd=ROOT,
        env={**os.environ, "TEST_DATABASE_URL": postgres_server.url + NOT_DURABLE},
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert run.returncode == 0, run.stdout[-5_000:] + run.stderr[-2_000:]
