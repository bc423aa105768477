"""What the engine is told of users: once, and however long it cannot be reached."""

from typing import Any

import pytest

from accounts import roles, services, tasks
from accounts.errors import EmailTaken, UnknownAsset, UsernameTaken
from accounts.models import User
from accounts.selectors import balances_of
from orderbook.core.commands import Deposit, SetAccountStatus
from orderbook.core.units import AccountStatus, Side
from orderbook.errors import CommandRefused, EngineUnavailable, InvalidInput, OutcomeUnknown
from orderbook.models import AuditEntry
from tests.unit.accounts.conftest import PASSWORD, Venue

pytestmark = pytest.mark.django_db(databases=["default", "journal"])


@pytest.fixture
def funds(settings: Any) -> None:
    settings.DEMO_FUNDS = {"BTC": "2", "USDT": "1000.5", "NONE": "1"}


def register(name: str = "carol") -> User:
    return services.register_trader(username=name, email=f"{name}@example.org", password=PASSWORD)


def held(user: User) -> dict[str, int]:
    return {balance.asset: balance.available_minor for balance in balances_of(user.pk)}


FUNDED = {"BTC": 2 * 10**8, "USDT": 1_000_500_000}


def test_a_new_trader_is_opened_and_funded(venue: Venue, funds: None) -> None:
    user = register()
    assert held(user) == FUNDED
    user.refresh_from_db()
    assert (user.funds_due, user.engine_status) == (False, "active")
    references = [c.reference for c in venue.commands if isinstance(c, Deposit)]
    assert references == ["demo-funds:BTC", "demo-funds:USDT"]


def test_without_demo_funds_the_account_is_only_opened(venue: Venue) -> None:
    user = register()
    assert SetAccountStatus(user.pk, AccountStatus.ACTIVE) in venue.commands
    assert held(user) == {}


@pytest.mark.parametrize("error", [EngineUnavailable(), OutcomeUnknown()])
def test_with_the_engine_down_the_user_is_created_and_funded_later(
    venue: Venue, funds: None, error: Any
) -> None:
    venue.down = error
    user = register()
    assert user.funds_due
    assert tasks.fund_new_traders() == 0
    venue.down = None
    assert tasks.fund_new_traders() == 1
    assert tasks.fund_new_traders() == 0
    assert held(user) == FUNDED


def test_signing_in_funds_what_is_due(venue: Venue, funds: None) -> None:
    venue.down = EngineUnavailable()
    register()
    venue.down = None
    user = services.sign_in(login="carol", password=PASSWORD)
    assert held(user) == FUNDED


def test_an_answer_that_was_lost_does_not_fund_twice(venue: Venue, funds: None) -> None:
    user = register()
    User.objects.update(funds_due=True)
    assert tasks.fund_new_traders() == 1
    assert held(user) == FUNDED
    assert not User.objects.get(pk=user.pk).funds_due


def test_before_the_venue_has_assets_funds_stay_due(venue: Venue, settings: Any) -> None:
    settings.DEMO_FUNDS = {"SOL": "1"}
    assert register().funds_due


def test_taken_names_are_refused_even_against_a_race(
    venue: Venue, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(User.objects, "filter", lambda **_: User.objects.none())
    monkeypatch.setattr("accounts.selectors.email_taken", lambda _: False)
    with pytest.raises(UsernameTaken):
        services.register_trader(username="ALICE", email="new@example.org", password=PASSWORD)
    with pytest.raises(EmailTaken):
        services.register_trader(username="new", email="Alice@example.org", password=PASSWORD)


def test_a_verified_second_address_is_taken(venue: Venue, alice: User) -> None:
    from allauth.account.models import EmailAddress

    EmailAddress.objects.create(user=alice, email="second@example.org", verified=True)
    with pytest.raises(EmailTaken):
        services.register_trader(username="new", email="second@example.org", password=PASSWORD)


def test_closing_a_user_closes_the_account_and_cancels_its_orders(
    venue: Venue, alice: User, bob: User
) -> None:
    venue.execute(Deposit(alice.pk, "BTC", 10**8, ""))
    venue.order(alice.pk, Side.SELL, 1_000)
    assert services.set_active(alice, active=False, actor=bob)
    assert balances_of(alice.pk)[0].held_minor == 0
    assert services.set_active(alice, active=True, actor=bob)
    assert venue.commands[-1] == SetAccountStatus(alice.pk, AccountStatus.ACTIVE)
    assert list(AuditEntry.objects.values_list("action", "actor_name").order_by("id")) == [
        ("account.close", "bob"),
        ("account.open", "bob"),
    ]


def test_a_closing_that_the_engine_missed_is_made_up_for(venue: Venue, alice: User) -> None:
    venue.down = EngineUnavailable()
    assert not services.set_active(alice, active=False, actor=alice)
    venue.down = None
    assert services.settle_pending() == 1
    assert venue.commands[-1] == SetAccountStatus(alice.pk, AccountStatus.CLOSED)
    assert services.settle_pending() == 0


def adjust(user: User, actor: User, amount: str, reference: str = "r", asset: str = "BTC") -> None:
    services.adjust_balance(
        account_id=user.pk,
        asset=asset,
        amount=amount,
        reason="because",
        reference=reference,
        actor=actor,
    )


def test_a_credit_and_a_debit_are_journaled_and_audited(
    venue: Venue, alice: User, bob: User
) -> None:
    adjust(alice, bob, "1.5", "one")
    adjust(alice, bob, "-0.5", "two")
    assert held(alice) == {"BTC": 10**8}
    credit, debit = AuditEntry.objects.order_by("id")
    assert (credit.action, credit.outcome) == ("account.credit", "done")
    assert credit.details == {
        "asset": "BTC",
        "amount": "1.5",
        "reason": "because",
        "reference": "one",
    }
    assert debit.action == "account.debit"
    assert 0 < credit.sequence < debit.sequence


def test_a_repeated_or_refused_adjustment_changes_nothing_and_is_audited(
    venue: Venue, alice: User, bob: User
) -> None:
    adjust(alice, bob, "1", "one")
    for amount, reference in (("1", "one"), ("-2", "two")):
        with pytest.raises(CommandRefused):
            adjust(alice, bob, amount, reference)
    assert held(alice) == {"BTC": 10**8}
    outcomes = list(AuditEntry.objects.order_by("id").values_list("outcome", flat=True))
    assert outcomes == ["done", "duplicate_reference", "insufficient_balance"]


@pytest.mark.parametrize("amount", ["", "-", "0", "1e5", "NaN", "--1", "0.000000001", "1 000"])
def test_an_amount_that_is_none_is_refused(venue: Venue, alice: User, amount: str) -> None:
    before = len(venue.commands)
    with pytest.raises(InvalidInput):
        adjust(alice, alice, amount)
    with pytest.raises(UnknownAsset):
        adjust(alice, alice, "1", asset="XXX")
    assert len(venue.commands) == before


def test_roles_carry_permissions(venue: Venue, alice: User) -> None:
    assert alice.has_perm("accounts.trade")
    assert not alice.has_perm("accounts.adjust_balance")
    roles.give_role(alice, roles.ADMIN)
    admin = User.objects.get(pk=alice.pk)
    assert admin.is_staff
    for permission in ("accounts.adjust_balance", "orderbook.view_journalbatch"):
        assert admin.has_perm(permission)
    assert not admin.has_perm("auth.change_group")
    admin.groups.clear()
    roles.follow_roles(admin)
    assert not admin.is_staff
