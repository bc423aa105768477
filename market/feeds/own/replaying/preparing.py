"""Before a replay: the instrument is listed, the participants exist and can pay."""

import getpass
import re
import secrets
from typing import NamedTuple

from asgiref.sync import sync_to_async
from django.contrib.auth import get_user_model

from market.feeds.dbn.records import PRICE_UNITS, price_text
from market.feeds.own.expression import Expression
from market.feeds.own.replaying.participants import Participants
from market.feeds.own.replaying.recording import MAX_ORDER_SIZE, Recording, Unplayable
from market.services import carry_out
from orderbook.core.commands import (
    CancelAllOrders,
    Command,
    DefineAsset,
    DefineInstrument,
    Deposit,
    SetPhase,
)
from orderbook.core.events import AssetDefined, InstrumentDefined
from orderbook.core.text import is_asset, is_symbol
from orderbook.core.units import (
    MAX_ASSET_LENGTH,
    MAX_DECIMALS,
    MAX_SUPPLY_MINOR,
    InstrumentStatus,
)
from orderbook.gateway.gateway import Gateway
from orderbook.gateway.protocol import Definitions, GetInstruments
from orderbook.gateway.refusals import raise_if_refused

QUOTE = "USD"
MIN_QUOTE_DECIMALS = 2
QUERY_TIMEOUT_S = 30.0
USERNAMES = ("replay-bids", "replay-asks", "replay-takers")
FUNDED_QUOTE = 10_000_000
FUNDED_LOTS = 10_000
"""What a trader who is to take part is given of the quote asset, and of the instrument."""


class Operator(NamedTuple):
    """Whoever runs the command, in the audit record."""

    pk: int
    username: str

    def get_username(self) -> str:
        return self.username


class Stage(NamedTuple):
    """Where a recording is played."""

    symbol: str
    participants: Participants
    tick: int
    """Of the venue's instrument, in units of 1e-9; every recorded price is a multiple of it."""


def default_symbol(name: str) -> str:
    base = re.sub("[^A-Z0-9]", "", name.upper())[:MAX_ASSET_LENGTH] or "MBO"
    return f"{base}-{QUOTE}"


async def prepare(
    gateway: Gateway, recording: Recording, symbol: str, traders: tuple[str, ...] = ()
) -> Stage:
    """``traders``: user names of those who get funds for it.

    Raises Unplayable, CommandRefused, EngineUnavailable or OutcomeUnknown."""
    definition = await _listed(gateway, recording, symbol)
    participants = Participants(*await sync_to_async(_accounts)())
    funds = await sync_to_async(_funds)(traders, definition)
    for deposit in (*_deposits(recording, definition, participants), *funds):
        raise_if_refused(await gateway.submit(deposit))
    for account_id in participants[:2]:
        raise_if_refused(await gateway.submit(CancelAllOrders(account_id, symbol)))
    return Stage(symbol, participants, Expression.of(definition).tick)


async def _listed(gateway: Gateway, recording: Recording, symbol: str) -> InstrumentDefined:
    answer = await gateway.query(GetInstruments(), timeout_s=QUERY_TIMEOUT_S)
    assert isinstance(answer, Definitions)
    decimals = {one.asset: one.decimals for one in answer.events if isinstance(one, AssetDefined)}
    for known in answer.events:
        if isinstance(known, InstrumentDefined) and known.symbol == symbol:
            _check(known, recording)
            if known.status is not InstrumentStatus.TRADING:
                trading = SetPhase(symbol, InstrumentStatus.TRADING)
                raise_if_refused(await gateway.submit(trading))
            return known
    commands = _definition(recording, symbol, decimals)
    actor = Operator(0, f"shell:{getpass.getuser()}")
    details = {"tick": price_text(recording.tick), "recording": recording.file.path.name}
    listed = await sync_to_async(carry_out)(commands, actor, "instrument.add", symbol, details)
    defined = listed.events[0]
    assert isinstance(defined, InstrumentDefined)
    return defined


def _check(known: InstrumentDefined, recording: Recording) -> None:
    """Whether the recording's prices and sizes are those of an instrument that exists."""
    if recording.tick % Expression.of(known).tick:
        raise Unplayable(
            f"{known.symbol} has another tick; the recording's is {price_text(recording.tick)}. "
            "Choose a symbol that the venue does not have."
        )
    if known.lot_minor != 10**known.base_decimals:
        raise Unplayable(f"A lot of {known.symbol} is not 1; choose another symbol.")


def _definition(recording: Recording, symbol: str, decimals: dict[str, int]) -> list[Command]:
    base, _, quote = symbol.rpartition("-")
    if not (is_symbol(symbol) and is_asset(base) and is_asset(quote)):
        raise Unplayable(f"{symbol} is no symbol; it must be BASE-QUOTE, such as ESH4-USD.")
    tick_text = price_text(recording.tick)
    needed = max(MIN_QUOTE_DECIMALS, len(tick_text.partition(".")[2]))
    quote_decimals = decimals.get(quote, min(needed, MAX_DECIMALS))
    tick_lot_minor, rest = divmod(recording.tick * 10**quote_decimals, PRICE_UNITS)
    if rest:
        raise Unplayable(
            f"{quote} has {quote_decimals} decimals here, too few for a tick of {tick_text}. "
            "Choose a symbol with another quote asset."
        )
    lot_minor = 10 ** decimals.get(base, 0)
    new = {base: 0, quote: quote_decimals}
    commands: list[Command] = [
        DefineAsset(asset, places) for asset, places in new.items() if asset not in decimals
    ]
    commands.append(
        DefineInstrument(
            symbol,
            base,
            quote,
            lot_minor,
            tick_lot_minor,
            0,
            0,
            0,
            MAX_ORDER_SIZE,
            InstrumentStatus.TRADING,
        )
    )
    return commands


def _accounts() -> list[int]:
    """Users whom nobody can sign in as."""
    users = get_user_model().objects
    ids = []
    for name in USERNAMES:
        user = users.filter(username=name).first()
        if user is None:
            user = users.create_user(name, f"{name}@replay.invalid", None)
        ids.append(int(user.pk))
    return ids


def _funds(traders: tuple[str, ...], definition: InstrumentDefined) -> list[Deposit]:
    users = get_user_model().objects
    deposits = []
    for name in traders:
        user = users.filter(username__iexact=name).first()
        if user is None:
            raise Unplayable(f"No user has the name {name}.")
        quote_minor = FUNDED_QUOTE * 10**definition.quote_decimals
        base_minor = FUNDED_LOTS * definition.lot_minor
        reference = f"replay:{secrets.token_hex(8)}"
        deposits.append(Deposit(user.pk, definition.quote, quote_minor, f"{reference}:quote"))
        deposits.append(Deposit(user.pk, definition.base, base_minor, f"{reference}:base"))
    return deposits


def _deposits(
    recording: Recording, definition: InstrumentDefined, participants: Participants
) -> list[Deposit]:
    """As much as the whole recording can take at most, anew for each replay."""
    minor = definition.tick_lot_minor * (recording.tick // Expression.of(definition).tick)
    bids, asks, takers = participants
    needs = (
        (bids, definition.quote, recording.ticks_bought * minor),
        (asks, definition.base, recording.size_sold * definition.lot_minor),
        (takers, definition.quote, recording.ticks_traded * minor),
        (takers, definition.base, recording.size_traded * definition.lot_minor),
    )
    reference = f"replay:{secrets.token_hex(8)}"
    deposits = []
    for account_id, asset, amount in needs:
        if amount > MAX_SUPPLY_MINOR // 4:
            raise Unplayable(
                f"Its orders need more {asset} than there may be in a venue. A part of it "
                "(--until) may do."
            )
        if amount:
            deposits.append(Deposit(account_id, asset, amount, f"{reference}:{asset}"))
    return deposits
