"""Explanations come from the journal alone, and name what acted."""

import json

import pytest
from django.core.management import CommandError, call_command

from orderbook import journal
from orderbook.core.commands import (
    AdvanceTime,
    AmendOrder,
    Batch,
    BustTrade,
    CancelAllOrders,
    CancelOrder,
    Command,
    DefineInstrument,
    PlaceOrder,
    PlaceOrderList,
    ReplaceOrder,
    SetAccountLimits,
    SetKillSwitch,
    SetPhase,
)
from orderbook.core.events import Trade
from orderbook.core.snapshot import snapshot
from orderbook.core.terms import OrderOptions
from orderbook.core.units import (
    InstrumentStatus,
    OrderListKind,
    OrderType,
    PostOnly,
    SelfTradePrevention,
    Side,
    TimeInForce,
)
from orderbook.explanation.amounts import Amounts
from orderbook.explanation.errors import NotInJournal, TooFar
from orderbook.explanation.explain import (
    Limits,
    explain_client_order,
    explain_command,
    explain_order,
)
from orderbook.explanation.steps import Explanation, Step
from orderbook.models import JournalBatch, Snapshot
from tests.unit.trading.venue import ALICE, BOB, SYMBOL, Venue
from trading.models import Order

pytestmark = pytest.mark.django_db(databases=["default", "journal"])


def order(
    account_id: int,
    side: Side,
    price_ticks: int,
    lots: int,
    client_order_id: str = "",
    *,
    type: OrderType = OrderType.LIMIT,
    time_in_force: TimeInForce = TimeInForce.GTC,
    options: OrderOptions | None = None,
) -> PlaceOrder:
    return PlaceOrder(
        account_id, SYMBOL, side, type, time_in_force, price_ticks, lots, client_order_id, options
    )


def buy(account_id: int, price_ticks: int, lots: int, **more: object) -> PlaceOrder:
    return order(account_id, Side.BUY, price_ticks, lots, **more)


def sell(account_id: int, price_ticks: int, lots: int, **more: object) -> PlaceOrder:
    return order(account_id, Side.SELL, price_ticks, lots, **more)


def step(explanation: Explanation, kind: str) -> Step:
    (found,) = [one for one in explanation.steps if one.kind == kind]
    return found


def kinds(explanation: Explanation) -> list[str]:
    return [one.kind for one in explanation.steps]


def test_a_resting_order_tells_its_queue_its_fills_and_its_place_now(venue: Venue) -> None:
    venue.execute(buy(BOB, 250_001, 7_000))
    venue.execute(buy(BOB, 250_000, 3_000))
    venue.execute(buy(BOB, 249_999, 9_000))
    venue.execute(buy(ALICE, 250_000, 100_000, client_order_id="mine"))
    venue.execute(sell(BOB, 250_000, 35_000))
    venue.execute(buy(BOB, 250_001, 1_000))
    told = explain_order(4)
    queue = step(told, "queue").facts
    assert (queue["orders_at_better_prices"], queue["quantity_at_better_prices_lots"]) == (1, 7_000)
    assert (queue["orders_at_its_price"], queue["quantity_at_its_price_lots"]) == (1, 3_000)
    assert step(told, "asked").facts["price"] == "25000.0 USDT"
    assert step(told, "asked").facts["price_ticks"] == 250_000
    fill = step(told, "fill").facts
    assert (fill["role"], fill["quantity_lots"], fill["price_ticks"]) == ("maker", 25_000, 250_000)
    assert (fill["counterpart_order"], fill["counterpart_account"]) == (5, BOB)
    assert fill["fee"] == "0.00025000 BTC"
    now = step(told, "now").facts
    assert (now["orders_at_better_prices"], now["quantity_at_better_prices_lots"]) == (1, 1_000)
    assert (now["orders_at_its_price"], now["open_lots"]) == (0, 75_000)
    assert told.summary == "Open: 0.25000 BTC of 1.00000 BTC filled in 1 trade."
    assert not Order.objects.exists(), "the tables were never needed"


def test_a_taker_names_each_maker(venue: Venue) -> None:
    venue.execute(sell(BOB, 250_000, 3_000))
    venue.execute(sell(BOB, 250_010, 4_000))
    taker = buy(ALICE, 0, 10_000, type=OrderType.MARKET, time_in_force=TimeInForce.IOC)
    venue.execute(taker)
    told = explain_order(3)
    fills = [one.facts for one in told.steps if one.kind == "fill"]
    assert [one["counterpart_order"] for one in fills] == [1, 2]
    assert [one["role"] for one in fills] == ["taker", "taker"]
    assert step(told, "queue").facts["quantity_opposite_lots"] == 7_000
    ended = step(told, "canceled").facts
    assert (ended["reason"], ended["unfilled_lots"]) == ("market_remainder", 3_000)
    assert told.summary.startswith("Canceled: the other side of the book had no more")


@pytest.mark.parametrize(
    ("command", "rule", "shown"),
    [
        (sell(ALICE, 250_000, 10**12), "largest_quantity", "10000.00000 BTC"),
        (sell(ALICE, 250_000, 10**9 - 1), None, None),
        (sell(ALICE, 1, 1), "notional", "0.000001 USDT, at least 5.000000 USDT"),
        (buy(ALICE, 10**9, 10**7), "funds", "needed, 1000000000.000000 USDT available"),
        (buy(ALICE, 0, 10**6), "form", "within their bounds"),
        (order(99, Side.BUY, 1, 1), "account", "not known"),
    ],
)
def test_a_refusal_names_the_rule_and_what_it_was_checked_with(
    venue: Venue, command: PlaceOrder, rule: str | None, shown: str | None
) -> None:
    answer = venue.execute(command)
    told = explain_command(answer.sequence)
    if rule is None or shown is None:
        assert "refused" not in kinds(told)
        return
    facts = step(told, "checked").facts
    assert list(facts)[-1] == rule, "rules after the broken one were not checked"
    assert shown in facts[rule]
    assert facts[rule].endswith("(broken)")
    assert step(told, "refused").facts["code"] == answer.events[0].reason.value  # type: ignore[union-attr]


def test_the_newest_order_with_a_client_order_id_is_found_refused_or_not(venue: Venue) -> None:
    venue.execute(buy(ALICE, 250_000, 5_000, client_order_id="twice"))
    assert explain_client_order(ALICE, "twice").order_id == 1
    venue.execute(buy(ALICE, 250_000, 5_000, client_order_id="twice"))
    told = explain_client_order(ALICE, "twice")
    assert told.summary.startswith("Refused (duplicate_client_order_id)")
    assert step(told, "checked").facts["client_order_id"] == "twice: used before (broken)"
    with pytest.raises(NotInJournal):
        explain_client_order(BOB, "twice")


def test_a_stop_names_the_trade_that_set_it_off(venue: Venue) -> None:
    venue.execute(buy(BOB, 250_000, 1_000))
    venue.execute(sell(BOB, 250_000, 1_000))
    stop = sell(
        ALICE,
        240_000,
        5_000,
        type=OrderType.STOP_LIMIT,
        options=OrderOptions(stop_ticks=245_000),
    )
    venue.execute(stop)
    told = explain_order(3)
    assert step(told, "now").facts["stop_price_ticks"] == 245_000
    venue.execute(buy(BOB, 245_000, 1_000))
    trade = venue.execute(sell(BOB, 245_000, 1_000)).events[1]
    assert isinstance(trade, Trade)
    told = explain_order(3)
    triggered = step(told, "triggered")
    assert triggered.facts["trade_id"] == trade.trade_id
    assert "24500.0 USDT" in triggered.text
    assert kinds(told)[-2:] == ["triggered", "now"]


def test_a_stop_names_the_trade_of_a_sweep_that_set_it_off(venue: Venue) -> None:
    venue.execute(buy(BOB, 250_000, 1_000))
    venue.execute(sell(BOB, 250_000, 1_000))
    options = OrderOptions(stop_ticks=245_000)
    venue.execute(sell(ALICE, 260_000, 5_000, type=OrderType.STOP_LIMIT, options=options))
    for price_ticks in (249_000, 244_000, 244_000, 230_000):
        venue.execute(buy(BOB, price_ticks, 1_000))
    swept = [
        one for one in venue.execute(sell(BOB, 230_000, 4_000)).events if isinstance(one, Trade)
    ]
    facts = step(explain_order(3), "triggered").facts
    assert (facts["trade_id"], facts["last_price_ticks"]) == (swept[1].trade_id, 244_000)


def test_a_stop_that_an_auction_sends_back_says_so(venue: Venue) -> None:
    rules = venue.engine.instruments[SYMBOL]
    fields = {name: getattr(rules, name) for name in DefineInstrument.__struct_fields__}
    fields |= {"dynamic_band_ppm": 20_000, "pause_ns": 10**9}
    venue.execute(DefineInstrument(**fields))
    venue.execute(buy(BOB, 250_000, 1_000))
    venue.execute(sell(BOB, 250_000, 1_000))
    for _ in range(2):
        options = OrderOptions(stop_ticks=249_000)
        venue.execute(sell(ALICE, 0, 5_000, type=OrderType.STOP_MARKET, options=options))
    venue.execute(buy(BOB, 200_000, 5_000))
    venue.execute(buy(BOB, 249_000, 1_000))
    venue.execute(sell(BOB, 249_000, 1_000))
    assert step(explain_order(3), "canceled").facts["reason"] == "price_band"
    told = explain_order(4)
    assert kinds(told)[-4:] == ["triggered", "phase", "waits_again", "now"]
    assert step(told, "now").facts["stop_price_ticks"] == 249_000
    venue.project()
    assert Order.objects.get(pk=4).status == "waiting"


def test_an_amend_tells_what_became_of_the_place(venue: Venue) -> None:
    venue.execute(buy(ALICE, 250_000, 5_000))
    venue.execute(AmendOrder(ALICE, 1, quantity_lots=4_000))
    venue.execute(AmendOrder(ALICE, 1, price_ticks=249_000))
    venue.execute(AmendOrder(ALICE, 1))
    told = explain_order(1)
    amends = [one.facts["kept_priority"] for one in told.steps if one.kind == "amended"]
    assert amends == ["yes", "no"]
    assert step(told, "amend_refused").facts["code"] == "invalid_order"


def test_self_trade_prevention_names_the_rule_and_the_other_order(venue: Venue) -> None:
    venue.execute(SetAccountLimits(ALICE, SelfTradePrevention.CANCEL_NEWEST))
    venue.execute(buy(ALICE, 250_000, 5_000))
    venue.execute(sell(ALICE, 250_000, 5_000))
    told = explain_order(2)
    met = step(told, "self_trade_prevented").facts
    assert (met["other_order"], met["rule"]) == (1, "cancel_newest")
    assert step(told, "canceled").facts["reason"] == "self_trade"


def test_an_oco_names_what_the_other_order_did(venue: Venue) -> None:
    venue.execute(buy(BOB, 250_000, 1_000))
    venue.execute(sell(BOB, 250_000, 1_000))
    legs = (
        sell(ALICE, 260_000, 5_000),
        sell(ALICE, 0, 5_000, type=OrderType.STOP_MARKET, options=OrderOptions(stop_ticks=240_000)),
    )
    venue.execute(PlaceOrderList(OrderListKind.OCO, legs))
    trade = venue.execute(buy(BOB, 260_000, 5_000)).events[1]
    assert isinstance(trade, Trade)
    told = explain_order(4)
    assert step(told, "list").facts["other_orders"] == "3"
    ended = step(told, "canceled").facts
    assert ended["reason"] == "other_leg"
    assert ended["cause"] == f"order 3 traded (trade {trade.trade_id})"


def test_exits_of_a_bracket_were_checked_for_what_they_ask_alone(venue: Venue) -> None:
    venue.execute(sell(BOB, 250_000, 5_000))
    sells = [
        sell(ALICE, 260_000, 5_000),
        sell(ALICE, 0, 5_000, type=OrderType.STOP_MARKET, options=OrderOptions(stop_ticks=240_000)),
    ]
    entry = buy(ALICE, 250_000, 5_000)
    venue.execute(PlaceOrderList(OrderListKind.BRACKET, (entry, *sells)))
    assert "funds" in step(explain_order(2), "checked").facts
    for order_id, kind in ((3, "rests"), (4, "waits")):
        told = explain_order(order_id)
        assert kinds(told)[-3:] == ["armed", kind, "now"], "its entry is done"
        facts = step(told, "checked").facts
        assert not {"funds", "best_opposite_price", "last_price"} & set(facts)
        assert str(facts["notional"]).split(",")[1].startswith(" at most")
    venue.execute(PlaceOrderList(OrderListKind.BRACKET, (buy(ALICE, 240_000, 5_000), *sells)))
    assert kinds(explain_order(7))[-2:] == ["pending", "now"]


def test_what_an_order_needs_is_told_as_it_was_reckoned(venue: Venue) -> None:
    book = venue.engine.books[SYMBOL]
    venue.execute(sell(BOB, 260_000, 5_000))
    venue.execute(buy(BOB, 240_000, 2_000))
    more_than_there_is = OrderOptions(quote_minor=3_000 * 240_000 * book.tick_lot_minor)
    ioc, market = TimeInForce.IOC, OrderType.MARKET
    stop, trail = OrderType.STOP_MARKET, OrderType.TRAILING_STOP
    cases = [  # (order, its notional and what it needs, in ticks times lots and lots)
        (
            sell(ALICE, 0, 0, type=market, time_in_force=ioc, options=more_than_there_is),
            240_000 * 2_000,
            2_000,
        ),
        (
            buy(ALICE, 0, 5_000, type=stop, options=OrderOptions(stop_ticks=255_000)),
            255_000 * 5_000,
            0,
        ),
        (
            sell(ALICE, 0, 5_000, type=trail, options=OrderOptions(trail_ticks=9)),
            239_991 * 5_000,
            5_000,
        ),
        (
            buy(ALICE, 270_000, 5_000, options=OrderOptions(post_only=PostOnly.REPRICE)),
            259_999 * 5_000,
            259_999 * 5_000,
        ),
    ]
    text = Amounts(book.instrument)
    for command, notional, needed in cases:
        facts = step(explain_command(venue.execute(command).sequence), "checked").facts
        unit_minor = book.tick_lot_minor if command.side is Side.BUY else book.lot_minor
        needed_text = text.given(command.side, needed * unit_minor)
        assert str(facts["notional"]).startswith(text.quote(notional * book.tick_lot_minor))
        assert str(facts["funds"]).startswith(f"{needed_text} needed")
        assert ("open_orders" in facts) is (command.time_in_force is not ioc)
    assert "rests in the book at 25999.9" in step(explain_order(6), "rests").text


def test_a_replacement_tells_what_the_old_order_held(venue: Venue) -> None:
    venue.execute(buy(ALICE, 240_000, 5_000))
    held_minor = 240_000 * 5_000 * venue.engine.books[SYMBOL].tick_lot_minor
    venue.execute(ReplaceOrder(1, buy(ALICE, 241_000, 5_000)))
    venue.execute(Batch(ALICE, (buy(ALICE, 100_000, 5_000),)))
    text = Amounts(venue.engine.instruments[SYMBOL])
    replaced = str(step(explain_order(2), "checked").facts["funds"])
    assert replaced.endswith(f"{text.quote(held_minor)} of the order that it replaces")
    assert str(step(explain_order(3), "checked").facts["funds"]).endswith(" before the batch")


def test_every_cause_of_an_end_is_told(venue: Venue) -> None:
    end_ns = venue.time_ns + 10**10
    gtd = buy(
        ALICE,
        250_000,
        5_000,
        time_in_force=TimeInForce.GTD,
        options=OrderOptions(expire_time_ns=end_ns),
    )
    venue.execute(gtd)
    venue.execute(buy(ALICE, 250_000, 5_000))
    venue.execute(CancelOrder(ALICE, 2, by_operator=True))
    venue.execute(buy(ALICE, 250_000, 5_000))
    venue.execute(CancelAllOrders(ALICE, SYMBOL, side=Side.BUY, on_disconnect=True))
    venue.execute(buy(ALICE, 250_000, 5_000))
    venue.execute(SetKillSwitch(0, True))
    found = [
        (step(told, "canceled").facts["reason"], step(told, "canceled").facts["from"])
        for told in map(explain_order, (2, 3, 4))
    ]
    assert found == [
        ("operator", "an operator"),
        ("disconnected", "the end of the account's connection"),
        ("kill_switch", "an operator, for the whole venue"),
    ]


def test_an_expiry_comes_from_the_clock(venue: Venue) -> None:
    end_ns = venue.time_ns + 10**10
    options = OrderOptions(expire_time_ns=end_ns)
    venue.execute(buy(ALICE, 250_000, 5_000, time_in_force=TimeInForce.GTD, options=options))
    venue.time_ns = end_ns
    venue.execute(AdvanceTime())
    ended = step(explain_order(1), "canceled").facts
    assert (ended["reason"], ended["from"]) == ("expired", "the venue's clock")


def test_phases_and_auctions_are_told_while_the_order_works(venue: Venue) -> None:
    venue.execute(SetPhase(SYMBOL, InstrumentStatus.OPENING_AUCTION))
    venue.execute(buy(ALICE, 250_010, 5_000))
    venue.execute(sell(BOB, 250_000, 2_000))
    venue.execute(SetPhase(SYMBOL, InstrumentStatus.TRADING))
    told = explain_order(1)
    assert step(told, "checked").facts["phase"] == "opening_auction"
    assert step(told, "uncrossed").facts["volume_lots"] == 2_000
    assert step(told, "fill").facts["in_auction"] == "yes"
    assert step(told, "phase").facts == {"phase": "trading", "reason": "operator"}
    filled = explain_order(2)
    venue.execute(SetPhase(SYMBOL, InstrumentStatus.HALTED))
    assert kinds(explain_order(2)) == kinds(filled), "a filled order has no more phases"


def test_a_bust_is_told_after_the_order_is_done(venue: Venue) -> None:
    venue.execute(buy(ALICE, 250_000, 5_000))
    trade = venue.execute(sell(BOB, 250_000, 5_000)).events[1]
    venue.execute(buy(ALICE, 250_000, 5_000))
    venue.execute(BustTrade(trade))
    for order_id in (1, 2):
        told = explain_order(order_id)
        assert step(told, "bust").facts == {"trade_id": trade.trade_id}
        assert told.summary.endswith("1 of its trades were busted.")


def _one_row(venue: Venue, *commands: Command) -> None:
    """Journals several commands as one batch."""
    first, time_ns = venue.sequence + 1, venue.time_ns + 1
    entries = [
        journal.Entry(bytes(16), command, venue.engine.apply(command, time_ns))
        for command in commands
    ]
    venue.sequence += len(entries)
    venue.time_ns = time_ns
    JournalBatch.objects.create(
        first_sequence=first,
        last_sequence=venue.sequence,
        epoch=1,
        time_ns=time_ns,
        payload=journal.encode_entries(entries),
        checksum=b"",
    )


def test_orders_are_found_wherever_they_stand_in_the_journal(venue: Venue) -> None:
    for number in range(1, 9):
        quiet = [CancelAllOrders(ALICE) for _ in range(number % 3)]
        _one_row(venue, *quiet, buy(ALICE, 200_000 + number, 5_000), buy(BOB, 200_000, 5_000))
        venue.execute(CancelAllOrders(ALICE))
    for order_id in range(1, 17):
        told = explain_order(order_id)
        assert told.order_id == order_id
        assert told.account_id == (ALICE if order_id % 2 else BOB)
    queues = [step(explain_order(one), "queue").facts["orders_at_its_price"] for one in (2, 4, 16)]
    assert queues == [0, 1, 7], "the state is that before its own command, not before its row"
    for order_id in (0, 17, 10**9):
        with pytest.raises(NotInJournal):
            explain_order(order_id)


def test_a_wrong_hint_does_no_harm(venue: Venue) -> None:
    venue.execute(buy(ALICE, 250_000, 5_000))
    assert explain_order(1, created_sequence=2) == explain_order(1)
    assert explain_order(1, created_sequence=10**9) == explain_order(1)


def _store_snapshot(venue: Venue, state: bytes) -> None:
    Snapshot.objects.create(
        sequence=venue.sequence,
        time_ns=venue.time_ns,
        state=state,
        state_hash=b"",
        journal_checksum=b"",
    )


def test_a_snapshot_shortens_the_replay_and_a_damaged_one_is_passed_over(venue: Venue) -> None:
    venue.execute(buy(BOB, 250_000, 5_000))
    _store_snapshot(venue, snapshot(venue.engine))
    venue.execute(buy(ALICE, 250_000, 5_000))
    whole = explain_order(2)
    assert explain_order(2, limits=Limits(replayed=1)) == whole
    JournalBatch.objects.filter(first_sequence__lt=5).update(payload=b"\xff")
    assert step(explain_order(2, created_sequence=venue.sequence), "queue") == step(whole, "queue")


def test_limits_leave_out_what_they_must_and_say_so(venue: Venue) -> None:
    venue.execute(buy(BOB, 250_000, 5_000))
    for _ in range(5):
        venue.execute(CancelAllOrders(ALICE))
    with pytest.raises(TooFar):
        explain_order(1, limits=Limits(replayed=3))
    _store_snapshot(venue, snapshot(venue.engine))
    told = explain_order(1, limits=Limits(replayed=3))
    assert kinds(told) == ["asked", "left_out", "accepted", "rests", "now"]
    told = explain_order(1, limits=Limits(read=2))
    assert kinds(told)[-1] == "left_out"
    assert told.journal_sequence == venue.sequence - 3


def test_any_command_can_be_asked_about(venue: Venue) -> None:
    for sequence in range(1, venue.sequence + 1):
        told = explain_command(sequence)
        assert told.summary.endswith("carried out.")
        assert kinds(told)[0] == "asked"
    refused = venue.execute(CancelOrder(ALICE, 77)).sequence
    assert explain_command(refused).summary == "CancelOrder: refused (unknown_order)."
    with pytest.raises(NotInJournal):
        explain_command(venue.sequence + 1)


def test_the_command_prints_text_and_json(venue: Venue, capsys: pytest.CaptureFixture[str]) -> None:
    venue.execute(buy(ALICE, 250_000, 5_000, client_order_id="mine"))
    venue.project()
    call_command("explain_order", "1")
    text = capsys.readouterr().out
    assert "Order 1 of account 1 on BTC-USDT" in text
    assert "    price: 25000.0 USDT\n" in text
    call_command("explain_order", "--client", str(ALICE), "mine", "--json")
    data = json.loads(capsys.readouterr().out)
    assert data["order_id"] == 1
    assert data["steps"][0]["facts"]["quantity_lots"] == 5_000
    call_command("explain_order", "--sequence", str(venue.sequence))
    assert "Order 1 of account 1" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments",
    [("5",), ("--sequence", "99"), ("--client", "x", "y"), ("--client", "1", "y"), ("-1",), ()],
)
def test_the_command_says_what_it_cannot_find(venue: Venue, arguments: tuple[str, ...]) -> None:
    with pytest.raises(CommandError):
        call_command("explain_order", *arguments)
