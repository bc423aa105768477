from collections.abc import Iterator
from typing import Any, cast

import pytest
from django.core.cache import cache

from accounts import tokens
from accounts.models import User
from accounts.projections import MoneyProjection, NotificationProjection
from accounts.services import register_trader
from orderbook.core.commands import DefineAsset, DefineInstrument, OpenEpoch, PlaceOrder
from orderbook.core.units import OrderType, Side, TimeInForce
from orderbook.gateway import tail
from orderbook.gateway.gateway import Gateway, set_gateway
from orderbook.gateway.protocol import Answer, Query
from orderbook.worker.projector import Projector
from tests.unit.trading import venue as trading_venue

PASSWORD = "a long and winding road"
SYMBOL = "BTC-USDT"


class Venue(trading_venue.Venue):
    """The trading tests' venue, with the projections of accounts."""

    def project(self) -> None:
        Projector((MoneyProjection(), NotificationProjection())).catch_up()

    def query_blocking(self, query: Query, *, timeout_s: float = 1.0) -> Any:
        return super().query_blocking(query)

    def order(
        self, account_id: int, side: Side, quantity_lots: int, price_ticks: int = 2_500_000
    ) -> Answer:
        """A limit order; a lot is 0.00001 BTC and a tick 0.1 USDT."""
        return self.execute(
            PlaceOrder(
                account_id,
                SYMBOL,
                side,
                OrderType.LIMIT,
                TimeInForce.GTC,
                price_ticks,
                quantity_lots,
            )
        )


@pytest.fixture(autouse=True)
def _nothing_remembered() -> Iterator[None]:
    tokens.forget_everything()
    tail.forget()
    cache.clear()
    yield
    set_gateway(None)


@pytest.fixture
def venue(db: None) -> Venue:
    """BTC (8 decimals) and USDT (6), one instrument, nobody with money yet."""
    venue = Venue()
    venue.execute(OpenEpoch(1))
    for asset, decimals in (("BTC", 8), ("USDT", 6)):
        venue.execute(DefineAsset(asset, decimals))
    venue.execute(
        DefineInstrument(
            symbol=SYMBOL,
            base="BTC",
            quote="USDT",
            lot_minor=1_000,
            tick_lot_minor=1,
            maker_fee_ppm=1_000,
            taker_fee_ppm=2_000,
            min_notional_minor=0,
            max_quantity_lots=10**9,
        )
    )
    set_gateway(cast(Gateway, venue))
    return venue


@pytest.fixture
def alice(venue: Venue) -> User:
    return register_trader(username="Alice", email="alice@example.org", password=PASSWORD)


@pytest.fixture
def bob(venue: Venue) -> User:
    return register_trader(username="bob", email="bob@example.org", password=PASSWORD)
