"""Every page of the admin site opens, obeys the content policy, and costs no query per row."""

import re
from collections.abc import Iterator

import pytest
from allauth.account.models import EmailAddress
from django.contrib import admin
from django.contrib.auth.models import Group
from django.db import connections
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts import roles
from accounts.models import ReconciliationRun, User
from market.feeds.models import StorageGap
from market.feeds.storage.partitions import DAY_NS
from market.instruments import cache as instrument_cache
from orderbook import audit
from orderbook.gateway import tail
from orderbook.gateway.gateway import set_gateway
from orderbook.models import Epoch, Snapshot
from orderbook.projections import registered
from orderbook.worker.projector import Projector
from tests.unit.feeds.storage.flow import Flow, new_feed, recorder_of, store
from tests.unit.trading import venue as venues
from tests.unit.trading.venue import ALICE, BOB, fields
from trading import services
from trading.models import OperatorRequest

pytestmark = pytest.mark.django_db(databases=["default", "journal", "feeds"])

ROWS = 12
MAX_QUERIES = 16
"""Of one list, however many rows it shows."""
_INLINE = re.compile(r"<style|<script(?![^>]*\bsrc=)(?![^>]*application/json)|\sstyle=|\son[a-z]+=")


DIFFERENCE = {
    "what": "wallet_held",
    "account_id": 2,
    "asset": "BTC",
    "tables_minor": "1",
    "engine_minor": "2",
}


def _names() -> list[str]:
    known = [model._meta for model in admin.site._registry]
    return sorted(f"{meta.app_label}/{meta.model_name}" for meta in known)


@pytest.fixture
def venue(db: None) -> Iterator[venues.Venue]:
    """Some rows of every model."""
    opened = venues.opened()
    for account_id in range(1, ROWS + 1):
        user = User.objects.create_user(f"user{account_id}", f"{account_id}@x.org", id=account_id)
        roles.give_role(user, roles.TRADER)
        EmailAddress.objects.create(user=user, email=user.email)
        audit.record(user, "test", "nothing")
        Group.objects.create(name=f"group{account_id}")
        Epoch.objects.create(number=account_id, owner="here")
        hashes = {"state": b"x", "state_hash": b"h", "journal_checksum": b"c"}
        Snapshot.objects.create(sequence=account_id, time_ns=10**18, **hashes)
        services.place_order_blocking(ALICE, fields(quantity="0.1"))
        services.place_order_blocking(BOB, fields(side="sell", quantity="0.1"))
        OperatorRequest.objects.create(
            kind="credit",
            reason="a gift",
            payload={"account_id": ALICE, "asset": "BTC", "amount": "1", "amount_minor": 10**8},
            requested_by=user,
        )
        ReconciliationRun.objects.create(
            started_at=timezone.now(),
            finished_at=timezone.now(),
            source="engine",
            result="differed",
            differences=[DIFFERENCE],
        )
    _store_feeds()
    Projector(tuple(registered())).catch_up()
    yield opened
    set_gateway(None)
    tail.forget()
    instrument_cache.forget()


def _store_feeds() -> None:
    """A feed with rows of every kind, and some more feeds."""
    feed = new_feed("feed0")
    recorder = recorder_of(feed)
    store(recorder, Flow(1, step_ns=DAY_NS // 50).take(2_000))
    for place in range(1, ROWS):
        recorder.lose(1 + place, 2_000 + place, 1, StorageGap.Reason.STREAM)
        new_feed(f"feed{place}")
    recorder.commit()


@pytest.fixture
def root(venue: venues.Venue) -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("root", "root@example.org", id=1_000))
    return client


@pytest.mark.parametrize("name", _names())
def test_a_list_and_its_details(root: Client, name: str) -> None:
    path = f"/admin/{name}/"
    root.get(path)  # what is asked once in a while is known now
    with (
        CaptureQueriesContext(connections["default"]) as default,
        CaptureQueriesContext(connections["journal"]) as journal,
        CaptureQueriesContext(connections["feeds"]) as feeds,
    ):
        listed = root.get(path)
    queries = [query["sql"] for query in (*default, *journal, *feeds)]
    assert len(queries) <= MAX_QUERIES, "\n".join(queries)
    html = listed.content.decode()
    assert listed.status_code == 200
    assert not _INLINE.findall(html)
    (detail, *_) = re.findall(rf'href="({path}[^"]+/change/)', html)
    shown = root.get(detail.replace("&amp;", "&"))
    assert shown.status_code == 200
    assert not _INLINE.findall(shown.content.decode())


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("accounts/wallet/?q=USER1", ">user1<"),
        ("accounts/wallet/?q=2%40x.org", "user2"),
        ("accounts/wallet/?asset=BTC", "BTC"),
        ("trading/order/?q=user2", "user2"),
        ("trading/order/?symbol=BTC-USDT&status=filled", "filled"),
        ("trading/fill/?q=user1", "user1"),
        ("market/candle/?symbol=BTC-USDT", "BTC-USDT"),
        ("accounts/user/?q=user3", "user3"),
        ("accounts/ledgerentry/?kind=fee&asset=USDT", "0 fees"),
    ],
)
def test_lists_are_searched_and_filtered(root: Client, path: str, found: str) -> None:
    response = root.get(f"/admin/{path}")
    assert response.status_code == 200
    (body,) = re.findall(r"<tbody>(.*?)</tbody>", response.content.decode(), re.S)
    assert found in body


def test_the_site_is_the_venues(root: Client) -> None:
    html = root.get("/admin/").content.decode()
    assert ">Rialto</a>" in html
    assert 'href="/markets/"' in html
    assert "favicon.svg" in html
    assert root.get("/favicon.ico")["Location"].endswith("/img/favicon.svg")
