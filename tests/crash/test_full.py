"""Processes of a full-mode venue are killed under load, most of all the engine.

The long form: ``python -m tests.crash --mode full --kills 100``.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from config.private_services import PrivateServiceError
from tests.conftest import missing
from tests.crash import campaign
from tests.support.full_venue import Servers, private_servers

pytestmark = [pytest.mark.slow, pytest.mark.services]

KILLS = 5


@pytest.fixture
def servers() -> Iterator[Servers]:
    try:
        with private_servers() as running:
            yield running
    except PrivateServiceError as error:
        missing(str(error))


async def test_killed_processes_come_back_with_every_acknowledged_order_and_none_twice(
    servers: Servers, tmp_path: Path
) -> None:
    result = await campaign.full(tmp_path, servers.environment, kills=KILLS, seed=7, say=print)
    assert result["faults"] == []
    assert result["acknowledged"] > 50 * KILLS
    assert result["cancels_acknowledged"] > KILLS
    assert result["amends_acknowledged"] > 0
    assert result["snapshots"] >= 1
