"""The demonstration venue: assets, instruments, people with invented funds, and bots that trade.

``load_demo`` may run any number of times: it adds what is missing and changes nothing that exists,
because users are found by name, instruments by symbol, and every deposit has a fixed reference.
"""

import asyncio
import logging
from typing import NamedTuple

import environ
from channels.db import database_sync_to_async
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from accounts import roles
from accounts.models import User
from accounts.services import register_trader, settle_if_possible
from market import instruments, selectors
from market.bots.runner import Bot, BotFloor, Maker, Taker, run_bots
from market.bots.strategy import MarketMaker, NoiseTaker
from orderbook.core.commands import Command, DefineAsset, DefineInstrument, Deposit
from orderbook.core.events import InstrumentDefined
from orderbook.core.rejects import RejectReason
from orderbook.errors import CommandRefused
from orderbook.gateway.decimals import price_to_ticks, text_to_minor
from orderbook.gateway.feed import get_feed
from orderbook.gateway.gateway import Gateway, get_gateway
from orderbook.gateway.protocol import Definitions, GetInstruments
from orderbook.gateway.refusals import raise_if_refused

logger = logging.getLogger(__name__)

DEFAULT_PASSWORD = "rialto-demo"
"""Of the embedded venue, which listens on this machine only; full mode needs DEMO_PASSWORD."""
DEFAULT_BOT_RATE = 4.0
"""Turns a second and symbol, of all bots together; BOT_RATE overrides it."""
MAX_BOT_RATE = 100.0
MAKER_SHARE = 0.75
QUERY_TIMEOUT_S = 30.0
"""Patient: without this answer a new venue does not open at all."""
BOTS_RETRY_S = 5.0
"""How often bots look whether the demo has been loaded."""
MAKER_FEE_PPM = 800
TAKER_FEE_PPM = 1_000

ASSETS = {"BTC": 8, "ETH": 8, "BNB": 8, "SOL": 8, "USDT": 8, "INR": 4, "TATA": 4}
"""Decimals. INR has four, so that a tick of 0.05 times a lot of 0.01 is a whole minor unit."""
TRADERS = ("alice", "bob")
ADMIN = "admin"
DEMO_USERNAMES = (*TRADERS, ADMIN)
"""Who can sign in with ``demo_password``."""
MAKER_BOT = "maker-bot"
TAKER_BOT = "taker-bot"
TRADER_FUNDS = {
    "USDT": "100000",
    "BTC": "2",
    "ETH": "30",
    "BNB": "100",
    "SOL": "500",
    "INR": "1000000",
    "TATA": "1000",
}
BOT_FUNDS = {
    "USDT": "1000000000",
    "BTC": "20000",
    "ETH": "400000",
    "BNB": "1000000",
    "SOL": "5000000",
    "INR": "100000000000",
    "TATA": "100000000",
}
"""Ample: fees drain about a hundred thousand USDT a day at the default rate."""


class DemoInstrument(NamedTuple):
    symbol: str
    lot_minor: int
    tick_lot_minor: int
    min_notional: str
    max_quantity_lots: int
    price: str
    """Where the bots begin, and around which they stay."""


INSTRUMENTS = (
    DemoInstrument("BTC-USDT", 1_000, 10, "5", 100_000_000, "65000.00"),
    DemoInstrument("ETH-USDT", 10_000, 100, "5", 100_000_000, "3200.00"),
    DemoInstrument("BNB-USDT", 100_000, 1_000, "5", 100_000_000, "580.00"),
    DemoInstrument("SOL-USDT", 100_000, 1_000, "5", 1_000_000_000, "150.00"),
    DemoInstrument("TATA-INR", 100, 5, "100", 1_000_000_000, "950.00"),
)
"""Ticks are 0.01 USDT and 0.05 INR; lots 0.00001 BTC, 0.0001 ETH, 0.001 BNB and SOL, 0.01 TATA."""


def demo_password() -> str:
    """Password of the demo users. Raises ImproperlyConfigured where none may be assumed."""
    password = environ.Env().str("DEMO_PASSWORD", default="")
    if not password and settings.VENUE_MODE != "embedded":
        raise ImproperlyConfigured(
            "DEMO_PASSWORD must be set: outside embedded mode the demo users get no default one."
        )
    return str(password or DEFAULT_PASSWORD)


async def load_demo(gateway: Gateway) -> None:
    """Adds what is missing. Raises EngineUnavailable, OutcomeUnknown or ImproperlyConfigured; after
    any of them it can simply be run again."""
    password = demo_password()
    await _define_missing(gateway)
    users = await database_sync_to_async(_create_users)(password)
    for user_id, is_bot in users:
        for asset, amount in (BOT_FUNDS if is_bot else TRADER_FUNDS).items():
            await _deposit_once(gateway, user_id, asset, amount)
    logger.info("the demo venue is loaded")


async def _define_missing(gateway: Gateway) -> None:
    definitions = await gateway.query(GetInstruments(), timeout_s=QUERY_TIMEOUT_S)
    assert isinstance(definitions, Definitions)
    known = {event.symbol for event in definitions.events if isinstance(event, InstrumentDefined)}
    for asset, decimals in ASSETS.items():
        raise_if_refused(await gateway.submit(DefineAsset(asset, decimals)))
    for demo in INSTRUMENTS:
        if demo.symbol not in known:
            raise_if_refused(await gateway.submit(_definition(demo)))


def _definition(demo: DemoInstrument) -> Command:
    base, _, quote = demo.symbol.partition("-")
    return DefineInstrument(
        symbol=demo.symbol,
        base=base,
        quote=quote,
        lot_minor=demo.lot_minor,
        tick_lot_minor=demo.tick_lot_minor,
        maker_fee_ppm=MAKER_FEE_PPM,
        taker_fee_ppm=TAKER_FEE_PPM,
        min_notional_minor=text_to_minor(demo.min_notional, ASSETS[quote]),
        max_quantity_lots=demo.max_quantity_lots,
    )


def _create_users(password: str) -> list[tuple[int, bool]]:
    """(id, whether a bot) of everyone who gets funds."""
    roles.ensure_roles()
    if not User.objects.filter(username=ADMIN).exists():
        admin = User.objects.create_superuser(ADMIN, f"{ADMIN}@demo.invalid", password)
        roles.give_role(admin, roles.ADMIN)
    users = []
    for name in TRADERS:
        user = User.objects.filter(username=name).first() or register_trader(
            username=name, email=f"{name}@demo.invalid", password=password
        )
        users.append((user.pk, False))
    for name in (MAKER_BOT, TAKER_BOT):
        bot = User.objects.filter(username=name).first() or _create_bot(name)
        settle_if_possible(bot)
        users.append((bot.pk, True))
    return users


def _create_bot(name: str) -> User:
    """A trader whom nobody can sign in as."""
    user = User.objects.create_user(name, f"{name}@demo.invalid", None, notify=False)
    roles.give_role(user, roles.TRADER)
    return user


async def _deposit_once(gateway: Gateway, account_id: int, asset: str, amount: str) -> None:
    """The reference is the one that sign-up uses, so nobody is funded twice."""
    minor = text_to_minor(amount, ASSETS[asset])
    command = Deposit(account_id, asset, minor, f"demo-funds:{asset}")
    try:
        raise_if_refused(await gateway.submit(command))
    except CommandRefused as refused:
        if refused.reason is not RejectReason.DUPLICATE_REFERENCE:
            raise


# -- bots ------------------------------------------------------------------------------------------


async def run_demo_bots() -> None:
    """The bots of every demo instrument, until canceled. Needs the process's gateway and feed.

    Waits while the demo is not loaded; goes on from the last traded prices.
    """
    accounts = await database_sync_to_async(_bot_accounts)()
    while accounts is None:
        await asyncio.sleep(BOTS_RETRY_S)
        accounts = await database_sync_to_async(_bot_accounts)()
    rate = _bot_rate()
    if not 0 < rate <= MAX_BOT_RATE:
        logger.warning("no bots: BOT_RATE is not a number between 0 and %s", MAX_BOT_RATE)
        return
    floor = BotFloor()
    bots: list[Bot] = []
    for seed, demo in enumerate(INSTRUMENTS):
        bots += await _bots_for(demo, floor, accounts, rate=rate, seed=seed)
    await run_bots(get_feed(), floor, bots)


def _bot_rate() -> float:
    """0 where BOT_RATE is no number."""
    try:
        return float(environ.Env().str("BOT_RATE", default=str(DEFAULT_BOT_RATE)))
    except ValueError:
        return 0.0


def _bot_accounts() -> tuple[int, int] | None:
    """Account ids of maker and taker."""
    ids = dict(
        User.objects.filter(username__in=(MAKER_BOT, TAKER_BOT)).values_list("username", "pk")
    )
    return (ids[MAKER_BOT], ids[TAKER_BOT]) if len(ids) == 2 else None


async def _bots_for(
    demo: DemoInstrument, floor: BotFloor, accounts: tuple[int, int], *, rate: float, seed: int
) -> list[Bot]:
    instrument = await instruments.alookup(demo.symbol)
    anchor_ticks = price_to_ticks(instrument, demo.price)
    last_ticks = await database_sync_to_async(selectors.last_price_ticks)(demo.symbol)
    start_ticks = last_ticks or anchor_ticks
    maker = Maker(
        accounts[0],
        demo.symbol,
        MarketMaker(instrument, start_ticks=start_ticks, anchor_ticks=anchor_ticks, seed=seed),
    )
    taker = Taker(
        accounts[1], demo.symbol, NoiseTaker(instrument, last_ticks=start_ticks, seed=seed)
    )
    floor.add(maker)
    floor.add(taker)
    gateway = get_gateway()
    taker_rate = rate * (1 - MAKER_SHARE)
    return [
        Bot(gateway, floor, maker, turns_per_s=rate * MAKER_SHARE, seed=seed),
        Bot(gateway, floor, taker, turns_per_s=taker_rate, seed=seed + len(INSTRUMENTS)),
    ]
