"""The embedded venue is killed under load: nothing acknowledged is lost, nothing is doubled.

The long form: ``python -m tests.crash --mode embedded --kills 100``.
"""

from pathlib import Path

import pytest

from tests.crash import campaign

pytestmark = pytest.mark.slow

KILLS = 7


async def test_a_killed_venue_keeps_every_acknowledged_order_and_executes_none_twice(
    tmp_path: Path,
) -> None:
    result = await campaign.embedded(tmp_path, kills=KILLS, seed=20_240_229, say=print)
    assert result["faults"] == []
    assert result["acknowledged"] > 50 * KILLS
    assert result["unknown"] > 0
    assert result["cancels_acknowledged"] > KILLS
    assert result["amends_acknowledged"] > 0
    assert result["snapshots"] >= 1
