"""A market's records: what each command becomes, and that they build the engine's book."""

from collections import Counter

import pytest

from market.feeds.own.expression import Expression, instrument_id
from orderbook.core.events import InstrumentDefined
from tests.property.flow import venues
from tests.property.flow.pair import SMALL, bounds_of_engine
from tests.unit.feeds.own.recorded_pair import RecordedPair


@pytest.fixture
def any_units(monkeypatch: pytest.MonkeyPatch) -> None:
    """The flow's instruments have odd units, whose prices no record could hold: here they can."""

    def of(definition: InstrumentDefined) -> Expression:
        return Expression(definition.symbol, instrument_id(definition.symbol), 1_000_000)

    monkeypatch.setattr(Expression, "of", of)


@pytest.mark.usefixtures("any_units")
@pytest.mark.parametrize("seed", range(200, 212))
def test_records_build_the_engines_book_after_every_command(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every kind of order and command, with bounds so small that work is left over all the time."""
    monkeypatch.setattr(venues, "Pair", RecordedPair)
    kinds: Counter[str] = Counter()
    with bounds_of_engine(SMALL):
        venues.run_venue(seed, 400, Counter(), kinds)
