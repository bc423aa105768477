"""Four eyes: one operator asks, another approves, and the engine does it once."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission
from django.db import IntegrityError, transaction
from django.test import Client

from accounts.models import User
from orderbook.core.commands import BustTrade, Command, Deposit, Withdraw
from orderbook.core.events import Trade
from orderbook.core.units import OrderType, Side, TimeInForce
from orderbook.errors import EngineUnavailable, InvalidInput, OutcomeUnknown
from orderbook.gateway.protocol import Answer
from orderbook.models import AuditEntry
from tests.unit.trading.test_explain import buy, sell
from tests.unit.trading.venue import ALICE, BOB, Venue
from trading import operator_requests
from trading.errors import BustRequested, FourEyes, RequestDecided, TradeNotInJournal
from trading.models import Fill, OperatorRequest

pytestmark = pytest.mark.django_db(databases=["default", "journal"])
State = OperatorRequest.State
PAGES = "/admin/trading/operatorrequest"


@pytest.fixture(autouse=True)
def traders(venue: Venue) -> None:
    """The users of the venue's accounts come first, so that ids agree."""
    for pk, name in ((ALICE, "alice"), (BOB, "bob")):
        User.objects.create_user(name, f"{name}@example.com", "pw", pk=pk)


def operator(name: str) -> User:
    user = User.objects.create_user(name, f"{name}@example.com", "pw", is_staff=True)
    user.groups.add(Group.objects.get(name="admin"))
    return user


@pytest.fixture
def olga(traders: None) -> User:
    return operator("olga")


@pytest.fixture
def otto(traders: None) -> User:
    return operator("otto")


def browser(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def trade(venue: Venue) -> tuple[Trade, int]:
    """A trade and the sequence at which the journal has it."""
    venue.execute(buy(ALICE, 250_000, 5_000))
    answer = venue.execute(sell(BOB, 250_000, 5_000))
    assert isinstance(answer.events[1], Trade)
    return answer.events[1], answer.sequence


def ask_bust(actor: User, trade: tuple[Trade, int]) -> OperatorRequest:
    return operator_requests.request_bust(
        actor=actor, trade_id=trade[0].trade_id, sequence=trade[1], reason="wrong price"
    )


def ask_credit(actor: User, amount: str = "1.5", **more: Any) -> OperatorRequest:
    given = {"account_id": ALICE, "asset": "BTC", "reason": "found", **more}
    return operator_requests.request_credit(actor=actor, amount=amount, **given)


@pytest.fixture
def with_assets(venue: Venue) -> None:
    from accounts.models import Asset

    Asset.objects.bulk_create([Asset(code="BTC", decimals=8), Asset(code="USDT", decimals=6)])


def outcomes() -> list[tuple[str, str, str]]:
    rows = AuditEntry.objects.order_by("id").values_list("action", "actor_name", "outcome")
    return list(rows)


def available(venue: Venue, account_id: int, asset: str) -> int:
    return venue.engine.accounts[account_id].balances[asset].available_minor


def test_a_bust_is_asked_for_by_one_and_carried_out_by_another(
    venue: Venue, trade: tuple[Trade, int], olga: User, otto: User
) -> None:
    request = ask_bust(olga, trade)
    assert request.state == State.REQUESTED
    asked_at = len(venue.commands)
    operator_requests.approve(request, otto)
    assert venue.commands[asked_at:] == [BustTrade(trade[0])], "asking did nothing"
    assert (request.state, request.sequence) == (State.EXECUTED, venue.sequence)
    assert available(venue, ALICE, "USDT") == 10**15
    assert outcomes() == [
        ("bust.request", "olga", "done"),
        ("bust.approve", "otto", "done"),
        ("bust.execute", "otto", "done"),
    ]


@pytest.mark.parametrize("ask", [ask_bust, None])
def test_nobody_approves_what_they_asked_for(
    venue: Venue,
    trade: tuple[Trade, int],
    with_assets: None,
    olga: User,
    ask: Callable[..., OperatorRequest] | None,
) -> None:
    request = ask(olga, trade) if ask is not None else ask_credit(olga)
    before = len(venue.commands)
    with pytest.raises(FourEyes):
        operator_requests.approve(request, olga)
    request.refresh_from_db()
    assert (request.state, len(venue.commands)) == (State.REQUESTED, before)
    assert outcomes()[-1] == (f"{request.kind}.approve", "olga", "four_eyes")


@pytest.mark.parametrize("state", [State.APPROVED, State.EXECUTED, State.FAILED])
def test_the_table_itself_refuses_a_second_pair_of_the_same_eyes(
    with_assets: None, olga: User, state: str
) -> None:
    request = ask_credit(olga)
    for decided_by in (olga, None):
        with pytest.raises(IntegrityError), transaction.atomic():
            OperatorRequest.objects.filter(pk=request.pk).update(state=state, decided_by=decided_by)


def test_nobody_approves_what_they_gain_by(
    venue: Venue, trade: tuple[Trade, int], with_assets: None, olga: User
) -> None:
    alice = User.objects.get(pk=ALICE)
    alice.groups.add(Group.objects.get(name="admin"))
    for request in (ask_bust(olga, trade), ask_credit(olga)):
        with pytest.raises(FourEyes):
            operator_requests.approve(request, alice)


def test_whoever_may_not_neither_asks_nor_decides(
    venue: Venue, trade: tuple[Trade, int], with_assets: None, olga: User
) -> None:
    bob = User.objects.get(pk=BOB)
    for ask in (lambda: ask_bust(bob, trade), lambda: ask_credit(bob)):
        with pytest.raises(FourEyes):
            ask()
    request = ask_bust(olga, trade)
    for decide in (operator_requests.approve, operator_requests.refuse):
        with pytest.raises(FourEyes):
            decide(request, bob)
    assert {outcome for _, name, outcome in outcomes() if name == "bob"} == {"four_eyes"}


def test_a_trade_comes_from_the_journal_or_not_at_all(
    venue: Venue, trade: tuple[Trade, int], olga: User
) -> None:
    event, sequence = trade
    for trade_id, place in ((event.trade_id + 1, sequence), (event.trade_id, sequence - 1),
                            (event.trade_id, 10**9)):  # fmt: skip
        with pytest.raises(TradeNotInJournal):
            operator_requests.request_bust(
                actor=olga, trade_id=trade_id, sequence=place, reason="x"
            )
    assert {outcome for _, _, outcome in outcomes()} == {"unknown_trade"}


def test_a_trade_has_one_request_unless_it_was_refused(
    venue: Venue, trade: tuple[Trade, int], olga: User, otto: User
) -> None:
    request = ask_bust(olga, trade)
    with pytest.raises(BustRequested):
        ask_bust(otto, trade)
    operator_requests.refuse(request, otto)
    again = ask_bust(otto, trade)
    operator_requests.approve(again, olga)
    with pytest.raises(BustRequested):
        ask_bust(olga, trade)


def test_a_decision_is_final(
    venue: Venue, trade: tuple[Trade, int], olga: User, otto: User
) -> None:
    request = ask_bust(olga, trade)
    stale = OperatorRequest.objects.get(pk=request.pk)
    operator_requests.refuse(request, olga)
    assert request.state == State.REFUSED, "whoever asked may take it back"
    for decide in (operator_requests.approve, operator_requests.refuse):
        with pytest.raises(RequestDecided):
            decide(stale, otto)
    with pytest.raises(RequestDecided):
        operator_requests.carry_out(request, otto)
    assert not isinstance(venue.commands[-1], BustTrade)


def test_a_credit_and_a_debit_reach_the_engine_under_the_requests_reference(
    venue: Venue, with_assets: None, olga: User, otto: User
) -> None:
    credit, debit = ask_credit(olga), ask_credit(olga, "-0.5")
    for request in (credit, debit):
        operator_requests.approve(request, otto)
    assert venue.commands[-2:] == [
        Deposit(ALICE, "BTC", 150_000_000, f"request:{credit.pk}"),
        Withdraw(ALICE, "BTC", 50_000_000, f"request:{debit.pk}"),
    ]
    assert available(venue, ALICE, "BTC") == 10**12 + 10**8


@pytest.mark.parametrize(
    ("amount", "more"),
    [
        ("0", {}),
        ("", {}),
        ("1e5", {}),
        ("--1", {}),
        ("1.000000001", {}),
        ("1", {"asset": "XXX"}),
        ("1", {"reason": " "}),
        ("1", {"reason": "x" * 201}),
    ],
)
def test_a_mistake_makes_no_request(
    with_assets: None, olga: User, amount: str, more: dict[str, str]
) -> None:
    with pytest.raises(InvalidInput):
        ask_credit(olga, amount, **more)
    assert not OperatorRequest.objects.exists()
    assert outcomes()[-1][0] == "credit.request"


def test_what_the_engine_refuses_says_why(
    venue: Venue, with_assets: None, olga: User, otto: User
) -> None:
    request = operator_requests.approve(ask_credit(olga, "-99999999"), otto)
    assert request.state == State.FAILED
    assert request.failure.startswith("insufficient_balance: ")
    assert outcomes()[-1] == ("debit.execute", "otto", "insufficient_balance")
    with pytest.raises(RequestDecided):
        operator_requests.carry_out(request, otto)


def test_an_engine_that_is_away_leaves_it_approved_to_be_carried_out_later(
    venue: Venue, with_assets: None, olga: User, otto: User
) -> None:
    request = ask_credit(olga)
    venue.down = EngineUnavailable()
    with pytest.raises(EngineUnavailable):
        operator_requests.approve(request, otto)
    assert (request.state, request.failure[:18]) == (State.APPROVED, "engine_unavailable")
    venue.down = None
    operator_requests.carry_out(request, otto)
    assert (request.state, request.failure) == (State.EXECUTED, "")


@pytest.mark.parametrize("kind", ["bust", "credit"])
def test_an_unknown_outcome_is_carried_out_once(
    venue: Venue,
    trade: tuple[Trade, int],
    with_assets: None,
    olga: User,
    otto: User,
    kind: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    request = ask_bust(olga, trade) if kind == "bust" else ask_credit(olga)
    submit = venue.execute

    def lost(command: Command) -> Answer:
        submit(command)
        raise OutcomeUnknown

    monkeypatch.setattr(venue, "submit_blocking", lost)
    with pytest.raises(OutcomeUnknown):
        operator_requests.approve(request, otto)
    done_at = venue.sequence
    balance = available(venue, ALICE, "BTC")
    monkeypatch.undo()
    operator_requests.carry_out(request, otto)
    assert (request.state, request.sequence) == (State.EXECUTED, done_at)
    assert available(venue, ALICE, "BTC") == balance


def test_a_trade_that_was_busted_otherwise_is_a_failure(
    venue: Venue, trade: tuple[Trade, int], olga: User, otto: User
) -> None:
    venue.execute(BustTrade(trade[0]))
    request = operator_requests.approve(ask_bust(olga, trade), otto)
    assert request.state == State.FAILED
    assert request.failure.startswith("already_busted")


# -- pages -----------------------------------------------------------------------------------------


def test_a_bust_by_the_pages(
    venue: Venue, trade: tuple[Trade, int], olga: User, otto: User
) -> None:
    venue.project()
    fill = Fill.objects.get(order_id=1)
    first, second = browser(olga), browser(otto)
    page = first.get(f"/admin/trading/fill/{fill.pk}/change/").content.decode()
    assert f"{PAGES}/bust/{fill.pk}/" in page
    page = first.get(f"{PAGES}/bust/{fill.pk}/").content.decode()
    assert "0.05000 BTC at 25000.0 USDT" in page
    page = first.post(f"{PAGES}/bust/{fill.pk}/", {"reason": "typo"}).content.decode()
    assert "Please confirm" in page
    assert not OperatorRequest.objects.exists()
    form = {"reason": "typo", "confirmed": "yes"}
    page = first.post(f"{PAGES}/bust/{fill.pk}/", form, follow=True).content.decode()
    request = OperatorRequest.objects.get()
    assert f"Request {request.pk} waits for another operator" in page
    address = f"{PAGES}/{request.pk}/change/"
    approve = f"{PAGES}/{request.pk}/approve/decide/"
    assert approve not in first.get(address).content.decode()
    assert approve in second.get(address).content.decode()
    assert "Another operator must approve this" in first.post(approve, follow=True).content.decode()
    request.refresh_from_db()
    assert request.state == State.REQUESTED
    assert second.get(approve).status_code == 403
    assert "Carried out" in second.post(approve, follow=True).content.decode()
    assert venue.commands[-1] == BustTrade(trade[0])
    venue.project()
    page = first.get(f"/admin/trading/fill/{fill.pk}/change/").content.decode()
    assert "Ask for a bust" not in page


def test_a_credit_by_the_pages(venue: Venue, with_assets: None, olga: User, otto: User) -> None:
    first, second = browser(olga), browser(otto)
    address = f"{PAGES}/credit/{ALICE}/"
    form = {"asset": "BTC", "amount": "2", "reason": "<b>gift</b>"}
    assert address in first.get(f"/admin/accounts/user/{ALICE}/change/").content.decode()
    assert first.get(address).status_code == 200
    page = first.post(address, form).content.decode()
    assert "Credit alice (account 1): 2 BTC." in page
    assert "<b>gift" not in page
    first.post(address, {**form, "confirmed": "yes"})
    request = OperatorRequest.objects.get()
    page = second.get(f"{PAGES}/").content.decode()
    assert "2.00000000 BTC, account 1" in page
    venue.down = EngineUnavailable()
    page = second.post(f"{PAGES}/{request.pk}/approve/decide/", follow=True).content.decode()
    assert "nothing was executed" in page
    venue.down = None
    assert f"{PAGES}/{request.pk}/carry-out/decide/" in page
    page = second.post(f"{PAGES}/{request.pk}/carry-out/decide/", follow=True).content.decode()
    assert "Carried out" in page
    assert available(venue, ALICE, "BTC") == 10**12 + 2 * 10**8


@pytest.mark.parametrize(
    "changes", [{"amount": "x"}, {"amount": ""}, {"asset": "XXX"}, {"reason": ""}, {"amount": "0"}]
)
def test_a_mistake_in_a_page_is_shown(
    venue: Venue, with_assets: None, olga: User, changes: dict[str, str]
) -> None:
    form = {"asset": "BTC", "amount": "2", "reason": "gift", "confirmed": "yes", **changes}
    page = browser(olga).post(f"{PAGES}/credit/{ALICE}/", form)
    assert page.status_code == 200
    assert "errorlist" in page.content.decode()
    assert not OperatorRequest.objects.exists()


def test_pages_are_for_those_who_may(
    venue: Venue, trade: tuple[Trade, int], with_assets: None, olga: User
) -> None:
    venue.project()
    request = ask_bust(olga, trade)
    watcher = User.objects.create_user("w", "w@example.com", "pw", is_staff=True)
    watcher.user_permissions.add(
        Permission.objects.get(codename="view_operatorrequest"),
        Permission.objects.get(codename="view_fill"),
    )
    client = browser(watcher)
    fill = Fill.objects.first()
    for address in (f"{PAGES}/bust/{fill.pk}/", f"{PAGES}/credit/{ALICE}/"):
        assert client.get(address).status_code == 403
    assert "decide/" not in client.get(f"{PAGES}/{request.pk}/change/").content.decode()
    for decision in ("approve", "refuse", "carry-out"):
        client.post(f"{PAGES}/{request.pk}/{decision}/decide/")
    request.refresh_from_db()
    assert request.state == State.REQUESTED
    assert client.post(f"{PAGES}/{request.pk}/change/", {"state": "executed"}).status_code == 403
    assert browser(User.objects.get(pk=BOB)).get(f"{PAGES}/").status_code == 302
    for address in (f"{PAGES}/bust/99/", f"{PAGES}/credit/99/"):
        assert browser(olga).get(address).status_code == 404


def test_an_order_page_explains_the_order(venue: Venue, olga: User) -> None:
    venue.execute(buy(ALICE, 250_000, 5_000, client_order_id="mine"))
    venue.execute(buy(BOB, 0, 5_000, type=OrderType.MARKET, time_in_force=TimeInForce.IOC))
    venue.execute(sell(BOB, 250_000, 2_000))
    venue.project()
    page = browser(olga).get("/admin/trading/order/1/change/").content.decode()
    for shown in (
        "On arrival 0 orders",
        "as maker, with order 2 of account 2",
        "Now 0 orders",
        "0.03000 BTC of it is open",
    ):
        assert shown in page
    assert "stop price" not in page.lower()
    assert venue.engine.depth("BTC-USDT")[0][0] is Side.BUY
