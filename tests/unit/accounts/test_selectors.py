"""Reads see what is acknowledged, wherever the projector stands."""

import pytest

from accounts import selectors, services
from accounts.models import User
from accounts.presentation import balance_rows, ledger_rows, notification_rows
from accounts.selectors import LedgerFilter
from orderbook.core.commands import CancelAllOrders, DefineAsset, Deposit
from orderbook.core.units import Side
from orderbook.gateway.pagination import PageRequest, page_request
from tests.unit.accounts.conftest import Venue

pytestmark = pytest.mark.django_db(databases=["default", "journal"])

LAGS = pytest.mark.parametrize("projected_after", ["never", "first", "all"])


def flow(venue: Venue, alice: User, bob: User, projected_after: str) -> None:
    venue.execute(Deposit(alice.pk, "BTC", 10**8, "in"))
    venue.execute(Deposit(bob.pk, "USDT", 10**10, "in"))
    venue.order(alice.pk, Side.SELL, 1_000)
    if projected_after == "first":
        venue.project()
    venue.order(bob.pk, Side.BUY, 500)
    venue.execute(CancelAllOrders(alice.pk))
    if projected_after == "all":
        venue.project()


@LAGS
def test_balances_are_exact(venue: Venue, alice: User, bob: User, projected_after: str) -> None:
    flow(venue, alice, bob, projected_after)
    engine = {(a, s): (free, held) for a, s, free, held in venue.engine.balances()}
    for user in (alice, bob):
        read = {b.asset: (b.available_minor, b.held_minor) for b in selectors.balances_of(user.pk)}
        assert read == {s: value for (a, s), value in engine.items() if a == user.pk}


@LAGS
def test_ledger_pages_are_complete_and_in_order(
    venue: Venue, alice: User, bob: User, projected_after: str
) -> None:
    flow(venue, alice, bob, projected_after)
    whole = selectors.ledger_of(alice.pk, PageRequest(500)).results
    assert [p.kind for p in whole] == ["fee", "trade", "trade", "deposit"]
    assert [p.id for p in whole] == sorted((p.id for p in whole), reverse=True)
    seen, request = [], PageRequest(limit=1)
    while True:
        page = selectors.ledger_of(alice.pk, request)
        seen += page.results
        if page.next is None:
            break
        request = page_request({"limit": "1", "cursor": page.next})
    assert seen == whole


@LAGS
def test_the_ledger_filters(venue: Venue, alice: User, bob: User, projected_after: str) -> None:
    flow(venue, alice, bob, projected_after)

    def kinds(asset: str | None, kind: str | None) -> list[str]:
        page = selectors.ledger_of(alice.pk, PageRequest(), LedgerFilter(asset, kind))
        return [p.kind for p in page.results]

    assert kinds("BTC", None) == ["trade", "deposit"]
    assert kinds(None, "deposit") == ["deposit"]
    assert kinds("USDT", "fee") == ["fee"]
    assert kinds("XXX", None) == []


@LAGS
def test_notifications_are_there_at_once_and_can_be_read(
    venue: Venue, alice: User, bob: User, projected_after: str
) -> None:
    flow(venue, alice, bob, projected_after)
    notices = selectors.notifications_of(alice, PageRequest()).results
    assert [n.kind for n in notices] == ["cancel", "fill", "deposit"]
    assert selectors.unread_count(alice) == 3
    services.mark_notifications_read(alice, notices[1].id)
    assert selectors.unread_count(alice) == 1
    services.mark_notifications_read(alice, 2**63 - 1)
    venue.execute(Deposit(alice.pk, "BTC", 1, ""))
    assert selectors.unread_count(alice) == 1


def test_amounts_and_titles_are_decimal_text(venue: Venue, alice: User, bob: User) -> None:
    flow(venue, alice, bob, "first")
    rows = balance_rows(selectors.balances_of(alice.pk))
    assert rows[0] == {
        "asset": "BTC",
        "available": "0.99500000",
        "held": "0.00000000",
        "total": "0.99500000",
    }
    ledger = ledger_rows(selectors.ledger_of(alice.pk, PageRequest()).results)
    assert ledger[0]["amount"] == "-1.250000"
    titles = [
        row["title"]
        for row in notification_rows(
            alice, selectors.notifications_of(alice, PageRequest()).results
        )
    ]
    assert titles == [
        "Order 1 on BTC-USDT was canceled",
        "Sold 0.005 BTC for 1,250 USDT",
        "Received 1 BTC",
    ]


def test_an_asset_is_known_before_the_table_has_it(venue: Venue) -> None:
    venue.project()
    venue.execute(DefineAsset("SOL", 9))
    assert selectors.asset_decimals(["SOL"])["SOL"] == 9


def test_a_stranger_has_nothing(venue: Venue) -> None:
    assert selectors.balances_of(12_345) == []
    assert selectors.ledger_of(12_345, PageRequest()).results == []


def test_only_the_newest_notifications_are_kept(venue: Venue, alice: User, bob: User) -> None:
    for amount in range(1, 8):
        venue.execute(Deposit(alice.pk, "BTC", amount, ""))
    venue.execute(Deposit(bob.pk, "BTC", 1, ""))
    venue.project()
    assert services.prune_notifications(keep=3) == 4
    kept = selectors.notifications_of(alice, PageRequest()).results
    assert [n.data["amount_minor"] for n in kept] == [7, 6, 5]
    assert len(selectors.notifications_of(bob, PageRequest()).results) == 1
