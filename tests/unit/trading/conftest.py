from collections.abc import Iterator

import pytest

from market.instruments import cache as instrument_cache
from orderbook.gateway import tail
from orderbook.gateway.gateway import set_gateway
from tests.unit.trading import venue as venues


@pytest.fixture
def venue(db: None) -> Iterator[venues.Venue]:
    yield venues.opened()
    set_gateway(None)
    tail.forget()
    instrument_cache.forget()
