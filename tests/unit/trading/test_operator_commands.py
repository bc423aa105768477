"""What an operator does at the command line: refused clearly, audited under a name."""

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from accounts.models import Asset, User
from orderbook.models import AuditEntry

pytestmark = pytest.mark.django_db(databases=["default", "journal"])


@pytest.fixture
def alice() -> User:
    Asset.objects.create(code="USDT", decimals=6)
    return User.objects.create_user("alice", "alice@example.com", None)


def test_a_deposit_without_an_engine_says_so_and_is_audited(alice, monkeypatch):
    monkeypatch.setattr("getpass.getuser", lambda: "ops")
    with pytest.raises(CommandError, match="engine_unavailable"):
        call_command("deposit", "Alice", "USDT", "10.5", "--reason", "a wire transfer")
    entry = AuditEntry.objects.get()
    assert (entry.actor_name, entry.actor_id) == ("shell:ops", 0)
    assert (entry.action, entry.target) == ("account.credit", f"account {alice.pk}")
    assert entry.outcome == "engine_unavailable"
    assert entry.details["reason"] == "a wire transfer"


def test_an_operator_of_the_venue_is_named_in_the_audit(alice):
    root = User.objects.create_superuser("root", "root@example.com", None)
    with pytest.raises(CommandError, match="engine_unavailable"):
        call_command("deposit", "alice", "USDT", "1", "--reason", "x", "--operator", "root")
    assert AuditEntry.objects.get().actor_id == root.pk


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("nobody", "USDT", "1"), "No user has this name"),
        (("alice", "XYZ", "1"), "unknown_asset"),
        (("alice", "USDT", "0"), "amount must not be zero"),
        (("alice", "USDT", "1e3"), "decimal string"),
        (("alice", "USDT", "0.0000001"), "more than 6 decimal places"),
        (("alice", "USDT", "1", "--operator", "nobody"), "No user has this name"),
    ],
)
def test_bad_deposits_are_refused_before_the_engine_is_asked(alice, arguments, told):
    with pytest.raises(CommandError, match=told):
        call_command("deposit", *arguments, "--reason", "x")
    assert not AuditEntry.objects.exists()


def test_a_deposit_is_no_way_to_take_money(alice):
    with pytest.raises(CommandError, match="more than zero"):
        call_command("deposit", "--reason", "x", "--", "alice", "USDT", "-5")


def test_listing_without_an_engine_says_so():
    with pytest.raises(CommandError, match="engine_unavailable"):
        call_command("list_instrument", "ABC-USDT", "--tick-size", "0.5", "--lot-size", "1")
