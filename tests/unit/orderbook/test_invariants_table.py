"""The table of invariants in docs/architecture.md names each of them, and tests that exist."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
_TEST = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")


def table() -> dict[str, list[tuple[str, str]]]:
    lines = (ROOT / "docs" / "architecture.md").read_text().splitlines()
    rows = [line.split("|") for line in lines if re.match(r"\| I\d \|", line)]
    return {cells[1].strip(): _TEST.findall(cells[3]) for cells in rows}


def test_every_invariant_has_a_test_that_exists() -> None:
    assert list(table()) == [f"I{number}" for number in range(1, 10)]
    for invariant, tests in table().items():
        assert tests, invariant
        for path, name in tests:
            assert re.search(rf"^(async )?def {name}\(", (ROOT / path).read_text(), re.M), name
