"""The demo venue: loading it twice is loading it once."""

import pytest
from django.contrib.auth import get_user_model
from django.core.exceptions import ImproperlyConfigured

from market.formatting import market_resource
from orderbook.core.commands import DefineInstrument, Deposit
from orderbook.core.events import CommandRejected
from orderbook.core.units import InstrumentStatus
from orderbook.gateway.gateway import set_gateway
from tests.unit.market.venue import EngineGateway
from trading import demo

databases = pytest.mark.django_db(databases=["default", "journal"], transaction=True)


class DemoGateway(EngineGateway):
    async def query(self, query, *, timeout_s=2.0):
        return self.query_blocking(query)


@pytest.fixture
def gateway(db):
    gateway = DemoGateway()
    set_gateway(gateway)
    yield gateway
    set_gateway(None)


def users():
    return {user.username: user for user in get_user_model().objects.all()}


@databases
async def test_it_defines_what_it_promises(gateway):
    from asgiref.sync import sync_to_async

    await demo.load_demo(gateway)
    resources = {symbol: market_resource(one) for symbol, one in gateway.engine.instruments.items()}
    sizes = {
        symbol: (one["tick_size"], one["lot_size"], one["min_notional"])
        for symbol, one in resources.items()
    }
    assert sizes == {
        "BTC-USDT": ("0.01", "0.00001", "5.00000000"),
        "ETH-USDT": ("0.01", "0.0001", "5.00000000"),
        "BNB-USDT": ("0.01", "0.001", "5.00000000"),
        "SOL-USDT": ("0.01", "0.001", "5.00000000"),
        "TATA-INR": ("0.05", "0.01", "100.0000"),
    }
    found = await sync_to_async(users)()
    assert set(found) == {"alice", "bob", "admin", "maker-bot", "taker-bot"}
    assert found["alice"].check_password(demo.DEFAULT_PASSWORD)
    assert found["admin"].is_superuser
    assert not found["maker-bot"].has_usable_password()
    assert not found["maker-bot"].notify
    balances = gateway.engine.balances()
    alice = {
        asset: amount for account, asset, amount, _ in balances if account == found["alice"].pk
    }
    assert alice["USDT"] == 100_000 * 10**8
    assert set(alice) == set(demo.TRADER_FUNDS)


@databases
async def test_a_second_load_changes_nothing(gateway):
    await demo.load_demo(gateway)
    funds = list(gateway.engine.balances())
    halted = DefineInstrument(
        "BTC-USDT", "BTC", "USDT", 1_000, 10, 1, 2, 3, 4, InstrumentStatus.HALTED
    )
    gateway.submit_blocking(halted)
    await demo.load_demo(gateway)
    assert list(gateway.engine.balances()) == funds
    assert gateway.engine.instruments["BTC-USDT"].taker_fee_ppm == 2, "an operator's change stays"


@databases
async def test_funds_that_sign_up_gave_are_not_given_again(gateway):
    await demo.load_demo(gateway)
    deposits = [one for one in gateway.commands if isinstance(one, Deposit)]
    assert {one.reference for one in deposits if one.asset == "USDT"} == {"demo-funds:USDT"}
    answer = await gateway.submit(deposits[0])
    assert isinstance(answer.events[0], CommandRejected)


@databases
async def test_outside_embedded_mode_no_password_is_assumed(gateway, settings, monkeypatch):
    monkeypatch.delenv("DEMO_PASSWORD", raising=False)
    settings.VENUE_MODE = "full"
    with pytest.raises(ImproperlyConfigured, match="DEMO_PASSWORD"):
        await demo.load_demo(gateway)
    assert not any(isinstance(command, Deposit) for command in gateway.commands)
    monkeypatch.setenv("DEMO_PASSWORD", "correct-horse-battery")
    assert demo.demo_password() == "correct-horse-battery"


@databases
async def test_bots_wait_for_the_demo_and_know_their_accounts(gateway):
    from asgiref.sync import sync_to_async

    assert await sync_to_async(demo._bot_accounts)() is None
    await demo.load_demo(gateway)
    found = await sync_to_async(users)()
    expected = (found["maker-bot"].pk, found["taker-bot"].pk)
    assert await sync_to_async(demo._bot_accounts)() == expected


@pytest.mark.parametrize("rate", ["0", "-1", "1000", "nan"])
@databases
async def test_a_rate_out_of_bounds_runs_no_bots(gateway, monkeypatch, rate):
    await demo.load_demo(gateway)
    monkeypatch.setenv("BOT_RATE", rate)
    await demo.run_demo_bots()
