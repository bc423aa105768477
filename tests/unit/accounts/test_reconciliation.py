"""Reconciliation finds what differs, and only that, wherever the projector stands."""

import json
from io import StringIO
from typing import Any

import pytest
from django.core import mail
from django.core.management import call_command

from accounts import reconciliation, roles, tasks
from accounts.models import LedgerEntry, Notification, ReconciliationRun, User, Wallet
from accounts.reconciliation import compare, reconcile, reconcile_with_engine
from accounts.selectors import notifications_of
from orderbook.core.commands import Deposit, Withdraw
from orderbook.core.units import Side
from orderbook.errors import EngineUnavailable
from orderbook.gateway.pagination import PageRequest
from orderbook.gateway.protocol import Balances, GetBalances
from tests.unit.accounts.conftest import Venue

pytestmark = pytest.mark.django_db(databases=["default", "journal"])


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reconciliation, "PROJECTOR_PATIENCE_S", 0.0)


@pytest.fixture
def traded(venue: Venue, alice: User, bob: User) -> Venue:
    venue.execute(Deposit(alice.pk, "BTC", 10**8, "in"))
    venue.execute(Deposit(bob.pk, "USDT", 10**10, "in"))
    venue.order(alice.pk, Side.SELL, 1_000)
    venue.project()
    venue.order(bob.pk, Side.BUY, 500)
    venue.execute(Withdraw(bob.pk, "USDT", 10**6, "out"))
    return venue


def differing(run: ReconciliationRun) -> set[str]:
    return {difference["what"] for difference in run.differences}


def test_everything_agrees_with_the_projector_behind(traded: Venue) -> None:
    run = reconcile_with_engine()
    assert (run.result, run.difference_count, run.sequence) == ("agreed", 0, traded.sequence)
    assert run.checked_count > 10
    assert not mail.outbox


def test_everything_agrees_with_the_projector_ahead(traded: Venue, alice: User, bob: User) -> None:
    balances = traded.query_blocking(GetBalances())
    traded.order(bob.pk, Side.BUY, 100)
    traded.execute(Deposit(alice.pk, "BTC", 5, "later"))
    traded.project()
    assert reconcile(balances, "engine").result == "agreed"


def test_a_changed_wallet_is_found(traded: Venue, alice: User) -> None:
    traded.project()
    Wallet.objects.filter(account_id=alice.pk, asset="BTC").update(available_minor=7)
    run = reconcile_with_engine()
    assert run.result == "differed"
    (difference,) = run.differences
    assert difference["what"] == "wallet_available"
    assert difference["account_id"] == alice.pk
    assert difference["tables_minor"] == "7"


def test_a_lost_posting_is_found(traded: Venue, alice: User) -> None:
    traded.project()
    LedgerEntry.objects.filter(account_id=alice.pk, kind="trade", asset="USDT").delete()
    assert differing(reconcile_with_engine()) == {"ledger_total"}


def test_money_that_nobody_deposited_is_found(traded: Venue) -> None:
    traded.project()
    LedgerEntry.objects.filter(account_id=-1, asset="USDT", kind="withdrawal").delete()
    assert differing(reconcile_with_engine()) == {"deposits_less_withdrawals"}


def test_money_that_only_the_engine_has_is_found(traded: Venue) -> None:
    traded.project()
    balances = traded.query_blocking(GetBalances())
    more = [*balances.balances, (77, "BTC", 1, 0)]
    run = reconcile(Balances(balances.sequence, more), "engine")
    assert differing(run) == {"wallet_available", "ledger_total", "deposits_less_withdrawals"}


def test_admins_are_told_of_a_difference(traded: Venue, alice: User, bob: User) -> None:
    roles.give_role(alice, roles.ADMIN)
    traded.project()
    Wallet.objects.filter(account_id=bob.pk).update(held_minor=3)
    for _ in range(2):
        run = reconcile_with_engine()
    assert [message.to for message in mail.outbox] == [["alice@example.org"]] * 2
    (told,) = Notification.objects.filter(kind="reconciliation")
    assert (told.account_id, told.data["run_id"]) == (alice.pk, run.pk)
    newest = notifications_of(alice, PageRequest()).results[0]
    assert newest.kind == "reconciliation"


def test_differences_are_all_counted_and_not_all_kept(
    traded: Venue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reconciliation, "MAX_KEPT_DIFFERENCES", 2)
    traded.project()
    Wallet.objects.update(available_minor=123)
    run = reconcile_with_engine()
    assert len(run.differences) == 2
    assert run.difference_count > 2


def test_a_run_without_an_engine_is_kept_as_failed(traded: Venue) -> None:
    traded.down = EngineUnavailable()
    assert tasks.reconcile() == "failed"
    assert ReconciliationRun.objects.get().failure


def test_a_sequence_that_the_journal_does_not_have_fails(traded: Venue) -> None:
    run = reconcile(Balances(traded.sequence + 1, []), "engine")
    assert run.result == "failed"
    assert "journal" in run.failure


def test_the_command_replays_the_journal(
    traded: Venue, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "accounts.management.commands.reconcile._replayed_balances",
        lambda: traded.query_blocking(GetBalances()),
    )
    out = StringIO()
    call_command("reconcile", "--json", stdout=out)
    answer = json.loads(out.getvalue())
    assert (answer["result"], answer["source"]) == ("agreed", "journal")
    traded.project()
    Wallet.objects.filter(account_id=alice.pk).update(available_minor=1)
    out = StringIO()
    with pytest.raises(SystemExit) as stopped:
        call_command("reconcile", stdout=out)
    assert stopped.value.code == 1
    assert "wallet_available" in out.getvalue()


def test_amounts_beyond_what_json_numbers_hold_are_kept_exactly(venue: Venue) -> None:
    huge: list[tuple[int, str, int, int]] = [(5, "BTC", 2**62 - 1, 0)]
    comparison: Any = compare(Balances(venue.sequence, huge))
    assert comparison.differences[0]["engine_minor"] == str(2**62 - 1)
