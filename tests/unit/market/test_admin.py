"""Operators and instruments: every change is a command, and audited; mistakes show in the form."""

from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.test import Client

from market.forms import RulesForm
from market.models import Candle, PublicTrade
from market.projections import MarketProjection
from orderbook.core.commands import SetPhase
from orderbook.core.units import InstrumentStatus
from orderbook.errors import EngineUnavailable
from orderbook.gateway.gateway import set_gateway
from orderbook.models import AuditEntry
from tests.unit.market.builders import SYMBOL, T0, instrument, recorded, trade
from tests.unit.market.venue import EngineGateway

pytestmark = pytest.mark.django_db(databases=["default", "journal"])
LIST = "/admin/market/instrument/"
NEW = {
    "symbol": "DOGE-USDT",
    "tick_size": "0.0001",
    "lot_size": "1",
    "base_decimals": "8",
    "quote_decimals": "",
    "maker_fee_ppm": "500",
    "taker_fee_ppm": "900",
    "min_notional": "5",
    "max_quantity": "1000000",
    "status": "trading",
    "max_notional": "1000000",
    "static_band_ppm": "100000",
    "dynamic_band_ppm": "20000",
    "pause_s": "120",
}
RULES = {name: NEW[name] for name in RulesForm.base_fields} | {"max_quantity": "100"}


@pytest.fixture
def gateway():
    gateway = EngineGateway()
    gateway.prepare()
    set_gateway(gateway)  # type: ignore[arg-type]
    MarketProjection().apply(recorded(3, T0, instrument(max_quantity_lots=10**8)))
    yield gateway
    set_gateway(None)


@pytest.fixture
def operator(gateway) -> Client:
    user = get_user_model().objects.create_superuser("root", "root@example.com", "x")
    client = Client()
    client.force_login(user)
    return client


def defined(gateway: EngineGateway, symbol: str) -> Any:
    return gateway.engine.instruments.get(symbol)


def test_a_new_instrument_reaches_the_engine_with_its_asset(operator, gateway):
    response = operator.post(f"{LIST}add/", NEW)
    assert response.status_code == 302, response.content
    found = defined(gateway, "DOGE-USDT")
    assert (found.lot_minor, found.tick_lot_minor) == (10**8, 10**4)
    assert (found.min_notional_minor, found.max_quantity_lots) == (5 * 10**8, 10**6)
    assert (found.maker_fee_ppm, found.taker_fee_ppm) == (500, 900)
    assert found.max_notional_minor == 10**6 * 10**8
    assert (found.static_band_ppm, found.dynamic_band_ppm) == (100_000, 20_000)
    assert found.pause_ns == 120 * 10**9
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.target, entry.outcome) == ("instrument.add", "DOGE-USDT", "done")
    assert entry.actor_name == "root"
    assert entry.sequence > 0


def test_rules_are_changed_and_units_stay(operator, gateway):
    assert operator.get(f"{LIST}{SYMBOL}/change/").status_code == 200
    response = operator.post(f"{LIST}{SYMBOL}/change/", {**RULES, "status": "cancel_only"})
    assert response.status_code == 302, response.content
    found = defined(gateway, SYMBOL)
    assert (found.maker_fee_ppm, found.status) == (500, InstrumentStatus.CANCEL_ONLY)
    assert (found.lot_minor, found.tick_lot_minor) == (1_000, 10)
    assert b"cancel_only" in operator.get(LIST).content, "the list is not behind the engine"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("symbol", SYMBOL),
        ("symbol", "doge"),
        ("symbol", "X" * 40),
        ("tick_size", "0.00000000001"),
        ("tick_size", "NaN"),
        ("tick_size", "0"),
        ("tick_size", "-1"),
        ("tick_size", "99999999999999999999"),
        ("lot_size", "0"),
        ("lot_size", "0.123456789"),
        ("lot_size", "99999999999999999999"),
        ("base_decimals", ""),
        ("base_decimals", "13"),
        ("quote_decimals", "2"),
        ("maker_fee_ppm", "100001"),
        ("taker_fee_ppm", "-1"),
        ("min_notional", "99999999999999999999"),
        ("min_notional", "5\x00"),
        ("max_quantity", "0.5"),
        ("max_quantity", "99999999999999999999"),
        ("status", "sleeping"),
    ],
)
def test_a_mistake_is_shown_in_the_form_and_changes_nothing(operator, gateway, field, value):
    response = operator.post(f"{LIST}add/", {**NEW, field: value})
    assert response.status_code == 200
    assert b"errorlist" in response.content
    assert field in response.context["form"].errors
    assert defined(gateway, "DOGE-USDT") is None


def test_a_refusal_of_the_engine_is_shown_and_audited(operator, gateway):
    response = operator.post(f"{LIST}add/", {**NEW, "symbol": "DOGE_-USDT"})
    assert response.status_code == 200
    assert b"errorlist" in response.content
    assert AuditEntry.objects.get().outcome == "invalid_definition"


def test_an_engine_that_is_away_is_said_so(operator, gateway):
    gateway.failures = [EngineUnavailable()]
    response = operator.post(f"{LIST}{SYMBOL}/change/", RULES)
    assert b"cannot be reached" in response.content
    assert AuditEntry.objects.get().outcome == "engine_unavailable"


def test_actions_halt_and_resume(operator, gateway):
    switches = (("halt", "halted"), ("cancel_only", "cancel_only"), ("resume", "trading"))
    for action, status in switches:
        response = operator.post(
            LIST, {"action": action, "_selected_action": [SYMBOL]}, follow=True
        )
        assert f"{SYMBOL} is {status} now.".encode() in response.content
        assert defined(gateway, SYMBOL).status.value == status
    assert gateway.commands[-1] == SetPhase(SYMBOL, InstrumentStatus.TRADING)
    assert defined(gateway, SYMBOL).taker_fee_ppm == 1_000
    assert AuditEntry.objects.filter(action="instrument.status").count() == 3


def test_an_instrument_that_does_not_exist_is_not_found(operator):
    assert operator.get(f"{LIST}NO-SUCH/change/").status_code == 404


def test_whoever_may_only_look_changes_nothing(gateway):
    user = get_user_model().objects.create_user("watcher", "w@example.com", "x", is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="view_instrument"))
    client = Client()
    client.force_login(user)
    page = client.get(f"{LIST}{SYMBOL}/change/")
    assert page.status_code == 200
    assert b"Send to the engine" not in page.content
    assert client.post(f"{LIST}{SYMBOL}/change/", RULES).status_code == 403
    assert client.get(f"{LIST}add/").status_code == 403
    client.post(LIST, {"action": "halt", "_selected_action": [SYMBOL]})
    assert defined(gateway, SYMBOL).status is InstrumentStatus.TRADING
    assert not AuditEntry.objects.exists()


def test_trades_and_candles_can_be_read_and_not_changed(operator):
    MarketProjection().apply(recorded(4, T0, trade(1, 6_500_000, 3)))
    page = operator.get("/admin/market/publictrade/")
    assert b"65000.00" in page.content
    assert b"0.00003" in page.content
    assert b"65000.00" in operator.get("/admin/market/candle/").content
    assert operator.get("/admin/market/publictrade/1/change/").status_code == 200
    assert operator.post("/admin/market/publictrade/1/delete/", {"post": "yes"}).status_code == 403
    assert operator.get("/admin/market/candle/add/").status_code == 403
    assert PublicTrade.objects.count() == 1
    assert Candle.objects.exists()
