"""Pages over the real engine core, with two users whose accounts are funded."""

from collections.abc import Iterator

import pytest
from django.test import Client

from accounts import roles
from accounts.models import User
from market.instruments import cache as instrument_cache
from orderbook.gateway import tail
from orderbook.gateway.gateway import set_gateway
from tests.unit.trading import venue as venues
from tests.unit.trading.venue import ALICE, BOB, Venue


@pytest.fixture
def venue(db: None) -> Iterator[Venue]:
    opened = venues.opened()
    for name, account_id in (("alice", ALICE), ("bob", BOB)):
        user = User.objects.create_user(name, f"{name}@example.com", "s3cret-enough", id=account_id)
        roles.give_role(user, roles.TRADER)
    yield opened
    set_gateway(None)
    tail.forget()
    instrument_cache.forget()


def client_of(account_id: int) -> Client:
    client = Client()
    client.force_login(User.objects.get(pk=account_id))
    return client


@pytest.fixture
def alice(venue: Venue) -> Client:
    return client_of(ALICE)


@pytest.fixture
def bob(venue: Venue) -> Client:
    return client_of(BOB)
