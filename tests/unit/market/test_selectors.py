"""Reads of tables and journal tail together: nothing missing, nothing twice."""

import pytest

from market import selectors
from market.projections import MarketProjection
from orderbook.models import ProjectionCursor
from tests.unit.market.builders import MINUTE_NS, SYMBOL, T0, journal, recorded, trade

pytestmark = pytest.mark.django_db(databases=["default", "journal"])
EVENTS = [
    (1, T0, trade(1, 100, 1)),
    (2, T0 + 1, trade(2, 120, 2)),
    (3, T0 + MINUTE_NS, trade(3, 90, 3)),
    (4, T0 + MINUTE_NS + 1, trade(4, 95, 4)),
    (5, T0 + 2 * MINUTE_NS, trade(5, 97, 5)),
]


@pytest.fixture(params=range(6))
def tables_up_to(request):
    """The same journal, projected to each of its sequences."""
    for sequence, time_ns, event in EVENTS:
        journal(sequence, time_ns, event)
        if sequence <= request.param:
            MarketProjection().apply(recorded(sequence, time_ns, event))
    ProjectionCursor.objects.create(name="market", sequence=request.param)
    return request.param


def test_reads_are_the_same_wherever_the_projector_is(tables_up_to):
    assert [one.trade_id for one in selectors.recent_trades(SYMBOL)] == [5, 4, 3, 2, 1]
    assert [one.trade_id for one in selectors.recent_trades(SYMBOL, 2, 4)] == [3, 2]
    assert selectors.last_price_ticks(SYMBOL) == 97
    bars = selectors.candles(SYMBOL, 60)
    assert [bar[1:6] for bar in bars] == [
        (100, 120, 100, 120, 3),
        (90, 95, 90, 95, 7),
        (97, 97, 97, 97, 5),
    ]
    assert selectors.candles(SYMBOL, 60, limit=2) == bars[1:]
    assert [bar.trade_count for bar in selectors.candles(SYMBOL, 86_400)] == [5]
    ticker = selectors.ticker(SYMBOL, T0 + 2 * MINUTE_NS)
    assert ticker[1:6] == (100, 120, 90, 97, 15)


def test_a_projector_that_moves_between_the_reads_counts_nothing_twice():
    """The cursor that was read is older than the rows."""
    for sequence, time_ns, event in EVENTS:
        journal(sequence, time_ns, event)
        MarketProjection().apply(recorded(sequence, time_ns, event))
    ProjectionCursor.objects.create(name="market", sequence=2)
    assert [bar.trade_count for bar in selectors.candles(SYMBOL, 60)] == [2, 2, 1]
    assert [one.trade_id for one in selectors.recent_trades(SYMBOL)] == [5, 4, 3, 2, 1]


def test_other_symbols_are_left_out():
    journal(1, T0, trade(1, symbol="ETH-USDT"))
    assert selectors.recent_trades(SYMBOL) == []
    assert selectors.candles(SYMBOL, 60) == []
    assert selectors.last_price_ticks(SYMBOL) is None
