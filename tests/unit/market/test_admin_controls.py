"""Operators run a market: every act is confirmed, a command, and in the audit record."""

from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.test import Client

from market import controls
from market.projections import MarketProjection
from orderbook.core.commands import CancelAllOrders, PlaceOrder
from orderbook.core.units import DAY_NS, InstrumentStatus, OrderType, Side, TimeInForce
from orderbook.errors import EngineUnavailable, InvalidInput
from orderbook.gateway.gateway import set_gateway
from orderbook.models import AuditEntry
from tests.unit.market.builders import SYMBOL, T0, instrument, recorded
from tests.unit.market.venue import MAKER, TAKER, EngineGateway

pytestmark = pytest.mark.django_db(databases=["default", "journal"])
PAGE = f"/admin/market/instrument/{SYMBOL}/control"
FORMS = {
    "phase": {"phase": "halted"},
    "reference-price": {"price": "65000.00"},
    "schedule": {"schedule": "08:00 opening_auction\n08:05:30 trading\n\n22:00 closed"},
    "fee-tiers": {"tiers": "0 800 1000\n1000000.5 -100 900"},
    "cancel-all": {"side": "buy"},
}


@pytest.fixture
def gateway():
    gateway = EngineGateway()
    gateway.prepare(MAKER, TAKER)
    set_gateway(gateway)  # type: ignore[arg-type]
    MarketProjection().apply(recorded(3, T0, instrument(max_quantity_lots=10**8)))
    yield gateway
    set_gateway(None)


@pytest.fixture
def operator(gateway) -> Client:
    client = Client()
    client.force_login(get_user_model().objects.create_superuser("root", "r@example.com", "x"))
    return client


def confirm(client: Client, name: str, **form: str) -> Any:
    return client.post(f"{PAGE}/{name}/", {**FORMS[name], **form, "confirmed": "yes"}, follow=True)


@pytest.mark.parametrize("name", FORMS)
def test_nothing_happens_before_it_is_confirmed(operator, gateway, name: str):
    before = len(gateway.commands)
    assert b"Continue" in operator.get(f"{PAGE}/{name}/").content
    page = operator.post(f"{PAGE}/{name}/", FORMS[name])
    assert b"Please confirm" in page.content
    assert len(gateway.commands) == before
    assert not AuditEntry.objects.exists()
    assert confirm(operator, name).status_code == 200
    assert len(gateway.commands) == before + 1
    entry = AuditEntry.objects.get()
    assert (entry.actor_name, entry.target, entry.outcome) == ("root", SYMBOL, "done")
    assert entry.sequence > 0


def test_what_is_set_reaches_the_engine_and_is_shown_afterwards(operator, gateway):
    for name in FORMS:
        confirm(operator, name)
    book = gateway.engine.books[SYMBOL]
    assert book.instrument.status is InstrumentStatus.HALTED
    assert book.reference_ticks == 6_500_000
    assert book.session.entries == (
        (DAY_NS // 3, InstrumentStatus.OPENING_AUCTION),
        (DAY_NS // 3 + 330 * 10**9, InstrumentStatus.TRADING),
        (DAY_NS // 24 * 22, InstrumentStatus.CLOSED),
    )
    tiers = [(one.min_volume_minor, one.maker_fee_ppm) for one in book.fees.tiers]
    assert tiers == [(0, 800), (1_000_000_50000000, -100)]
    assert gateway.commands[-1] == CancelAllOrders(0, SYMBOL, by_operator=True, side=Side.BUY)
    for name, shown in (
        ("phase", b'value="halted" selected'),
        ("reference-price", b"65000.00"),
        ("schedule", b"08:05:30 trading"),
        ("fee-tiers", b"1000000.50000000 -100 900"),
    ):
        assert shown in operator.get(f"{PAGE}/{name}/").content
    for name, form in (("schedule", {"schedule": ""}), ("fee-tiers", {"tiers": ""})):
        confirm(operator, name, **form)
    assert book.session is None
    assert book.fees is None


def test_a_mass_cancel_clears_one_side_of_everybody(operator, gateway):
    for account_id, side, price_ticks in (
        (MAKER, Side.BUY, 6_000_000),
        (TAKER, Side.BUY, 6_000_001),
        (TAKER, Side.SELL, 7_000_000),
    ):
        gateway.submit_blocking(
            PlaceOrder(
                account_id, SYMBOL, side, OrderType.LIMIT, TimeInForce.GTC, price_ticks, 1_000
            )
        )
    assert b"2 orders in BTC-USDT canceled" in confirm(operator, "cancel-all").content
    assert [level[0] for level in gateway.engine.depth(SYMBOL)] == [Side.SELL]
    assert b"1 order in BTC-USDT canceled" in confirm(operator, "cancel-all", side="").content


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("phase", {"phase": "party"}),
        ("reference-price", {"price": "0.001"}),
        ("reference-price", {"price": "x"}),
        ("reference-price", {"price": "0"}),
        ("schedule", {"schedule": "8:00 trading"}),
        ("schedule", {"schedule": "24:00 trading"}),
        ("schedule", {"schedule": "08:00"}),
        ("schedule", {"schedule": "08:00 party"}),
        ("schedule", {"schedule": "09:00 trading\n08:00 closed"}),
        ("schedule", {"schedule": "\n".join(f"{hour:02d}:00 trading" for hour in range(17))}),
        ("fee-tiers", {"tiers": "0 800"}),
        ("fee-tiers", {"tiers": "0 0.5 1"}),
        ("fee-tiers", {"tiers": "0 800 999999"}),
        ("fee-tiers", {"tiers": "5 800 1000"}),
        ("fee-tiers", {"tiers": "0 -2000 1000"}),
        ("fee-tiers", {"tiers": "\n".join(f"{volume} 1 1" for volume in range(11))}),
        ("cancel-all", {"side": "left"}),
    ],
)
def test_a_mistake_is_shown_and_changes_nothing(operator, gateway, name: str, form: dict[str, str]):
    page = confirm(operator, name, **form)
    assert page.status_code == 200
    assert b"errorlist" in page.content
    assert not AuditEntry.objects.filter(outcome="done").exists()
    assert gateway.engine.books[SYMBOL].session is None


def test_an_engine_that_is_away_is_said_so_and_audited(operator, gateway):
    gateway.failures.append(EngineUnavailable())
    assert b"nothing was executed" in confirm(operator, "phase").content
    assert AuditEntry.objects.get().outcome == "engine_unavailable"


def test_without_the_engine_the_forms_open_empty(operator, gateway, monkeypatch):
    def away(*args: object, **kwargs: object) -> None:
        raise EngineUnavailable

    monkeypatch.setattr(gateway, "query_blocking", away)
    for name in FORMS:
        assert operator.get(f"{PAGE}/{name}/").status_code == 200


def test_only_who_may_reaches_the_pages(gateway):
    user = get_user_model().objects.create_user("watcher", "w@example.com", "x", is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="view_instrument"))
    client = Client()
    client.force_login(user)
    before = len(gateway.commands)
    for name in FORMS:
        assert client.get(f"{PAGE}/{name}/").status_code == 403
        assert client.post(f"{PAGE}/{name}/", {**FORMS[name], "confirmed": "y"}).status_code == 403
    assert b"Change phase" not in client.get(f"/admin/market/instrument/{SYMBOL}/change/").content
    assert len(gateway.commands) == before


def test_pages_and_instruments_that_do_not_exist_are_not_found(operator):
    assert operator.get(f"{PAGE}/nothing/").status_code == 404
    assert operator.get("/admin/market/instrument/NO-SUCH/control/phase/").status_code == 404
    assert b"Change phase" in operator.get(f"/admin/market/instrument/{SYMBOL}/change/").content


def test_texts_are_read_back_as_they_are_written():
    text = "00:00:00 pre_open\n23:59:59 closed"
    assert controls.schedule_text(controls.read_schedule(text)) == text
    tiers = "0.00000000 800 1000\n5.00000001 0 10"
    found = controls.read_tiers(tiers, instrument())
    assert controls.tiers_text(found, instrument()) == tiers
    with pytest.raises(InvalidInput):
        controls.read_schedule("\u0661\u0662:00 trading")
