"""Orders of every kind, rebates and busts in the tables: live, rebuilt, reconciled, and read at any
lag of the projector."""

import json
import random
from io import StringIO

import pytest
from django.core.management import call_command

from accounts import selectors as account_selectors
from accounts.reconciliation import compare
from orderbook import journal
from orderbook.core.commands import (
    AdvanceTime,
    BustTrade,
    Command,
    SetAccountLimits,
    SetFeeSchedule,
    SetKillSwitch,
    SetReferencePrice,
)
from orderbook.core.engine import Engine
from orderbook.core.events import Event, Trade
from orderbook.core.terms import FeeTier
from orderbook.core.units import SelfTradePrevention
from orderbook.gateway import tail
from orderbook.gateway.pagination import PageRequest
from orderbook.gateway.protocol import Balances, GetBalances
from orderbook.models import JournalBatch
from orderbook.worker.projector import Projector
from orderbook.worker.queries import answer_query
from tests.integration.test_projector import table_rows
from tests.unit.core.special_flow import SpecialFlow
from tests.unit.core.venue import ALICE, BOB, CAROL, SYMBOL
from tests.unit.trading.test_order_state import as_folded, in_the_engine
from trading import selectors

pytestmark = pytest.mark.django_db(databases=["default", "journal"], transaction=True)

FUNDS_MINOR = 5_000_000
COMMANDS = 250
SETUP_COMMANDS = 20
REBATES = SetFeeSchedule(SYMBOL, (FeeTier(0, -5_000, 30_000), FeeTier(10**6, -20_000, 25_000)))


class Journaled:
    """A seeded flow whose commands are executed and journaled at once."""

    def __init__(self, seed: int) -> None:
        tail.forget()
        self.engine = Engine()
        self.rng = random.Random(seed)
        self.flow = SpecialFlow(seed, FUNDS_MINOR)
        self.sequence = 0
        self.trades: list[Trade] = []
        self.sent: set[type] = set()

    def step(self) -> None:
        command, time_ns = self.flow.next(self.engine)
        if self.sequence >= SETUP_COMMANDS and not isinstance(command, AdvanceTime):
            if SetFeeSchedule not in self.sent:
                command = REBATES
            elif self.rng.random() < 0.08:
                command = self._operator()
        self.sent.add(type(command))
        events = self.engine.apply(command, time_ns)
        self._append(command, events, time_ns)
        self.trades += [event for event in events if isinstance(event, Trade)]

    def _operator(self) -> Command:
        account_id = self.rng.choice((ALICE, BOB, CAROL))
        commands: list[Command] = [
            REBATES,
            SetAccountLimits(account_id, self.rng.choice(list(SelfTradePrevention))),
            SetKillSwitch(account_id, self.rng.random() < 0.3),
            SetReferencePrice(SYMBOL, 100),
        ]
        if self.trades:
            commands += [BustTrade(self.rng.choice(self.trades[-20:]))] * 4
        return self.rng.choice(commands)

    def _append(self, command: Command, events: list[Event], time_ns: int) -> None:
        self.sequence += 1
        entry = journal.Entry(self.sequence.to_bytes(16, "big"), command, events)
        JournalBatch.objects.create(
            first_sequence=self.sequence,
            last_sequence=self.sequence,
            epoch=1,
            time_ns=time_ns,
            payload=journal.encode_entries([entry]),
            checksum=b"",
        )

    def balances(self) -> Balances:
        answer = answer_query(self.engine, GetBalances(), self.sequence, 1)
        assert isinstance(answer, Balances)
        return answer


@pytest.mark.parametrize("seed", range(3))
def test_tables_that_followed_are_those_made_anew_and_agree_with_the_engine(seed: int) -> None:
    venue = Journaled(seed)
    projector = Projector()
    for _ in range(COMMANDS):
        venue.step()
        if venue.rng.random() < 0.1:
            projector.catch_up()
    projector.catch_up()
    assert venue.engine.venue.busted_trade_ids
    assert any(trade.maker_rebate_minor for trade in venue.trades)
    comparison = compare(venue.balances())
    assert (comparison.differences, comparison.checked_count > 10) == ([], True)
    followed = table_rows()
    out = StringIO()
    call_command("rebuild_projections", "--json", stdout=out)
    assert json.loads(out.getvalue())["projections"]
    for name, rows in table_rows().items():
        assert rows == followed[name], name


@pytest.mark.parametrize("seed", range(3))
def test_reads_are_exact_whatever_the_lag(seed: int) -> None:
    venue = Journaled(seed)
    projector = Projector()
    page = PageRequest(500)
    for number in range(COMMANDS):
        venue.step()
        if venue.rng.random() < 0.05:
            projector.catch_up()
        if number % 25 or number < 25:
            continue
        expected = in_the_engine(venue.engine)
        busted = venue.engine.venue.busted_trade_ids
        balances = {row[:2]: row[2:] for row in venue.balances().balances}
        for account_id in (ALICE, BOB, CAROL):
            own = {id: expected[id] for id in venue.engine.accounts[account_id].orders}
            shown = {order.id: order for order in selectors.open_orders(account_id)}
            assert as_folded(shown) == own
            everything = selectors.orders_of(account_id, page).results
            assert as_folded({order.id: order for order in everything}) == own
            for status in ("pending", "waiting", "partially_filled", "filled", "canceled"):
                some = selectors.orders_of(account_id, page, status=status).results
                assert some == [order for order in everything if order.status == status]
            fills = selectors.fills_of(account_id, page).results
            assert {fill.trade_id for fill in fills if fill.is_busted} == {
                fill.trade_id for fill in fills if fill.trade_id in busted
            }
            for balance in account_selectors.balances_of(account_id):
                key = (account_id, balance.asset)
                assert balances[key] == (balance.available_minor, balance.held_minor)
