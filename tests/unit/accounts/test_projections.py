"""The money tables and notifications as folds over the journal."""

from collections import Counter
from typing import Any

import pytest
from django.db import IntegrityError, transaction

from accounts.models import EXTERNAL_ACCOUNT_ID, Asset, LedgerEntry, Notification, User, Wallet
from accounts.notices import NOTICES_PER_EVENT
from accounts.postings import PLACES_PER_COMMAND, POSTINGS_PER_EVENT, place_id
from accounts.projections import MoneyProjection, NotificationProjection
from accounts.wording import message_of, title_of
from orderbook import journal
from orderbook.core.commands import (
    BustTrade,
    CancelAllOrders,
    Deposit,
    SetFeeSchedule,
    Withdraw,
)
from orderbook.core.events import Trade
from orderbook.core.rejects import RejectReason
from orderbook.core.terms import FeeTier
from orderbook.core.units import (
    FEE_ACCOUNT_ID,
    MAX_FILLS,
    MAX_OPEN_ORDERS,
    CancelReason,
    Side,
)
from tests.unit.accounts.conftest import Venue

pytestmark = pytest.mark.django_db(databases=["default", "journal"])


@pytest.fixture
def traded(venue: Venue, alice: User, bob: User) -> Venue:
    """Alice sells 0.02 BTC to bob, who takes two of her orders at 250000.0 with one of his."""
    venue.execute(Deposit(alice.pk, "BTC", 10**8, "alice-in"))
    venue.execute(Deposit(bob.pk, "USDT", 10**10, "bob-in"))
    venue.order(alice.pk, Side.SELL, 1_000)
    venue.order(alice.pk, Side.SELL, 1_000)
    venue.order(bob.pk, Side.BUY, 2_500)
    venue.execute(Withdraw(alice.pk, "BTC", 10**7, "alice-out"))
    venue.execute(CancelAllOrders(bob.pk))
    venue.project()
    return venue


def rows(model: Any) -> list[dict[str, Any]]:
    return sorted(model.objects.values(), key=repr)


def test_there_is_room_for_the_postings_of_the_largest_commands() -> None:
    events = 1 + MAX_FILLS
    assert place_id(1, events * POSTINGS_PER_EVENT) < place_id(2, 0)
    assert place_id(1, (1 + max(MAX_FILLS, MAX_OPEN_ORDERS)) * NOTICES_PER_EVENT) < place_id(2, 0)


def test_wallets_equal_the_engine(traded: Venue) -> None:
    stored = Wallet.objects.values_list("account_id", "asset", "available_minor", "held_minor")
    assert sorted(stored) == sorted(traded.engine.balances())


def test_every_command_posts_to_zero_in_each_asset(traded: Venue) -> None:
    sums: Counter[tuple[int, str]] = Counter()
    for entry in LedgerEntry.objects.all():
        sums[entry.id // PLACES_PER_COMMAND, entry.asset] += entry.amount_minor
    assert sums
    assert set(sums.values()) == {0}


def test_the_ledger_sums_to_the_balances(traded: Venue) -> None:
    sums: Counter[tuple[int, str]] = Counter()
    for entry in LedgerEntry.objects.exclude(account_id=EXTERNAL_ACCOUNT_ID):
        sums[entry.account_id, entry.asset] += entry.amount_minor
    engine = {(a, s): free + held for a, s, free, held in traded.engine.balances()}
    assert {key: total for key, total in sums.items() if total} == {
        key: total for key, total in engine.items() if total
    }


def test_a_trade_is_posted_with_its_fees_and_its_id(traded: Venue, alice: User, bob: User) -> None:
    trade = LedgerEntry.objects.filter(kind__in=["trade", "fee"], reference="1")
    posted = {(e.account_id, e.asset, e.kind): e.amount_minor for e in trade}
    base, quote = 10**6, 2_500_000_000
    assert posted == {
        (bob.pk, "BTC", "trade"): base,
        (bob.pk, "USDT", "trade"): -quote,
        (alice.pk, "BTC", "trade"): -base,
        (alice.pk, "USDT", "trade"): quote,
        (bob.pk, "BTC", "fee"): -base * 2_000 // 10**6,
        (FEE_ACCOUNT_ID, "BTC", "fee"): base * 2_000 // 10**6,
        (alice.pk, "USDT", "fee"): -quote * 1_000 // 10**6,
        (FEE_ACCOUNT_ID, "USDT", "fee"): quote * 1_000 // 10**6,
    }


@pytest.fixture
def rebated(traded: Venue, alice: User, bob: User) -> Trade:
    """Bob takes 0.01 BTC from alice, who gets a rebate of 500 ppm out of his fee."""
    tiers = (FeeTier(0, -500, 2_000),)
    traded.execute(SetFeeSchedule("BTC-USDT", tiers))
    traded.order(alice.pk, Side.SELL, 1_000)
    events = traded.order(bob.pk, Side.BUY, 1_000).events
    (trade,) = [event for event in events if isinstance(event, Trade)]
    return trade


def test_a_rebate_is_posted_out_of_the_takers_fee(
    rebated: Trade, traded: Venue, alice: User
) -> None:
    traded.project()
    (mine,) = LedgerEntry.objects.filter(kind="rebate", account_id=alice.pk)
    assert (mine.asset, mine.amount_minor) == ("BTC", 10**6 * 500 // 10**6)
    (paid,) = LedgerEntry.objects.filter(kind="rebate", account_id=FEE_ACCOUNT_ID)
    assert paid.amount_minor == -mine.amount_minor
    test_every_command_posts_to_zero_in_each_asset(traded)


def test_a_bust_is_posted_as_the_trade_undone(
    rebated: Trade, traded: Venue, alice: User, bob: User
) -> None:
    before = sorted(traded.engine.balances())
    traded.execute(BustTrade(rebated))
    assert sorted(traded.engine.balances()) != before
    traded.project()
    postings = LedgerEntry.objects.filter(reference=str(rebated.trade_id))
    sums: Counter[tuple[int, str]] = Counter()
    for entry in postings:
        sums[entry.account_id, entry.asset] += entry.amount_minor
    assert postings.filter(kind="bust").count() == 8
    assert set(sums.values()) == {0}
    news = Notification.objects.filter(kind="bust")
    assert sorted(news.values_list("account_id", flat=True)) == sorted([alice.pk, bob.pk])


def test_every_reason_and_kind_of_news_has_words() -> None:
    for reason in CancelReason:
        assert message_of("cancel", {"reason": reason.value})
    for rejection in RejectReason:
        assert message_of("reject", {"reason": rejection.value})
    data = {"order_id": 7, "trade_id": 9, "symbol": "BTC-USDT"}
    assert title_of("trigger", data, {}) == "Stop order 7 on BTC-USDT was set off"
    assert title_of("bust", data, {}) == "Trade 9 on BTC-USDT was busted"
    assert "order 7" in message_of("bust", data)


def test_one_fill_notification_for_each_order_and_command(
    traded: Venue, alice: User, bob: User
) -> None:
    fills = Notification.objects.filter(kind="fill")
    assert fills.filter(account_id=alice.pk).count() == 2
    (bobs,) = fills.filter(account_id=bob.pk)
    assert bobs.data["trades"] == 2
    assert bobs.data["base_minor"] == 2 * 10**6
    assert bobs.data["side"] == "buy"


def test_deposits_cancels_and_withdrawals_are_news_to_their_account(
    traded: Venue, alice: User, bob: User
) -> None:
    kinds = Counter(Notification.objects.values_list("account_id", "kind"))
    assert kinds[alice.pk, "deposit"] == kinds[alice.pk, "withdrawal"] == 1
    assert kinds[bob.pk, "cancel"] == 1


def test_a_deposit_that_was_made_already_is_no_news(venue: Venue, alice: User) -> None:
    for _ in range(2):
        venue.execute(Deposit(alice.pk, "BTC", 1, "once"))
    venue.project()
    assert list(Notification.objects.values_list("kind", flat=True)) == ["deposit"]


def test_who_does_not_want_notifications_gets_none(venue: Venue, alice: User) -> None:
    alice.notify = False
    alice.save()
    venue.execute(Deposit(alice.pk, "BTC", 1, ""))
    venue.execute(Deposit(9_999, "BTC", 1, ""))
    venue.project()
    assert not Notification.objects.exists()


def test_a_user_who_came_after_its_account_is_notified_at_once(venue: Venue) -> None:
    projection = NotificationProjection()
    venue.execute(Deposit(4_321, "BTC", 1, ""))
    first = [r for batch in journal.read_batches(0, 10_000) for r in journal.records(batch)]
    projection.apply(first)
    User.objects.create_user("late", "late@example.com", id=4_321)
    venue.execute(Deposit(4_321, "BTC", 1, ""))
    after = first[-1].sequence
    projection.apply([r for batch in journal.read_batches(after) for r in journal.records(batch)])
    assert Notification.objects.filter(account_id=4_321).count() == 1


@pytest.mark.parametrize("size", [1, 3, 1_000])
def test_a_rebuild_gives_the_same_rows_whatever_the_chunks(traded: Venue, size: int) -> None:
    models = (Asset, LedgerEntry, Notification)
    before = [rows(model) for model in models]
    wallets = sorted(Wallet.objects.values_list("account_id", "asset", "sequence"))
    records = [r for batch in journal.read_batches(0, 10_000) for r in journal.records(batch)]
    last = records[-1].sequence
    for projection in (MoneyProjection(), NotificationProjection()):
        projection.reset()
        for start in range(1, last + 1, size):
            projection.apply([r for r in records if start <= r.sequence < start + size])
    assert [rows(model) for model in models] == before
    assert sorted(Wallet.objects.values_list("account_id", "asset", "sequence")) == wallets


def test_an_event_cannot_be_posted_twice(traded: Venue) -> None:
    before = LedgerEntry.objects.count()
    with pytest.raises(IntegrityError), transaction.atomic():
        MoneyProjection().apply(
            [r for batch in journal.read_batches(0, 10_000) for r in journal.records(batch)]
        )
    assert LedgerEntry.objects.count() == before


def test_a_place_that_has_no_id_of_its_own_is_refused() -> None:
    assert place_id(1, PLACES_PER_COMMAND - 1) == place_id(2, 0) - 1
    with pytest.raises(OverflowError):
        place_id(1, PLACES_PER_COMMAND)


def test_read_marks_survive_a_rebuild(traded: Venue, alice: User) -> None:
    from accounts.selectors import unread_count
    from accounts.services import mark_notifications_read

    mark_notifications_read(alice)
    NotificationProjection().reset()
    traded.project()
    assert unread_count(alice) == 0
