"""Recorded flows played against the engine: same makers, prices and sizes, or a named cause."""

from collections.abc import Callable

import pytest

from market.feeds.dbn.synthetic import SyntheticPlan, generate
from market.feeds.own.replaying.planner import Planner, by_event, rows_of
from market.feeds.own.replaying.steps import Amend, Cancel, Collect, Place, Uncross
from orderbook.core.commands import Command, PlaceOrder
from orderbook.core.units import OrderType, Side, TimeInForce
from tests.unit.feeds.own.engine_gateway import SYMBOL, TAKERS, TRADER, EngineGateway
from tests.unit.feeds.own.replays import TICK, interrupted_before, play, play_lines, records


def trader_order(
    side: Side, ticks: int, lots: int, tif: TimeInForce = TimeInForce.GTC
) -> PlaceOrder:
    return PlaceOrder(TRADER, SYMBOL, side, OrderType.LIMIT, tif, ticks, lots)


def before_taker(gateway: EngineGateway, *commands: Command) -> Callable[[Command], None]:
    """A trader acts right before the first aggressor of the replay."""
    waiting = list(commands)

    def act(command: Command) -> None:
        while waiting and isinstance(command, PlaceOrder) and command.account_id == TAKERS:
            gateway.do(waiting.pop(0))

    return act


@pytest.mark.parametrize("style", ["cme", "itch"])
@pytest.mark.parametrize("seed", range(4))
def test_a_generated_flow_is_filled_as_recorded_throughout(seed: int, style: str) -> None:
    plan = SyntheticPlan(6_000, seed, style=style, clear_every=900)  # type: ignore[arg-type]
    played = play(generate(plan))
    report = played.report
    assert report.equal_trades == report.trades > 200
    assert report.equal_fills == report.fills > 200
    assert not report.refused
    assert not +report.counts
    assert played.levels() == played.recorded_levels()


def test_what_follows_from_a_trade_is_not_sent_again() -> None:
    lines = (
        "A A 1 101 5", "A A 2 101 4", "T B 0 101 7 +", "F A 1 101 5 +", "F A 2 101 2 +",
        "C A 1 101 5 +", "M A 2 101 2",
    )  # fmt: skip
    played = play_lines(*lines)
    assert dict(+played.report.sent) == {"place": 2, "aggress": 1}
    assert played.report.equal_trades == 1
    assert played.levels() == {("A", 101): 2}


def test_a_modify_is_an_amend_that_keeps_or_loses_its_place_as_recorded() -> None:
    planner = Planner()
    lines = ("A B 1 100 5", "M B 1 100 3", "M B 1 100 6", "M B 1 99 6", "C B 1 99 2", "C B 1 99 4")
    events = by_event(rows_of([records(lines)]))
    steps = [step for rows in events for step in planner.plan(rows).steps]
    assert steps == [
        Place(1, "B", 100 * TICK, 5),
        Amend(1, 0, 3),
        Amend(1, 0, 6),
        Amend(1, 99 * TICK, 6),
        Amend(1, 0, 4),
        Cancel(1, "B", 99 * TICK),
    ]


def test_a_crossed_recording_is_collected_and_uncrossed() -> None:
    lines = (
        "A B 1 102 5", "A A 2 100 5", "A B 3 99 1", "T N 0 101 5 +", "F N 1 101 5 +",
        "F N 2 101 5 +", "C B 1 102 5 +", "C A 2 100 5",
    )  # fmt: skip
    played = play_lines(*lines)
    assert played.planner.counts["crossed"] == 1
    assert [one["equal_orders"] for one in played.report.auctions] == [2]
    assert played.levels() == {("B", 99): 1}
    planner = Planner()
    events = by_event(rows_of([records(lines)]))
    steps = [step for rows in events for step in planner.plan(rows).steps]
    assert Collect() in steps
    assert Uncross({1: 5, 2: 5}) in steps


def test_an_order_that_was_passed_over_and_canceled_is_canceled_first() -> None:
    played = play_lines(
        "A A 1 101 5", "A A 2 101 4", "T B 0 101 4 +", "F A 2 101 4 +", "C A 2 101 4 +",
        "C A 1 101 5",
    )  # fmt: skip
    assert played.report.equal_trades == 1
    assert played.planner.counts["passed_over"] == 1
    assert played.levels() == {}


def test_an_order_that_is_replenished_is_placed_again_and_named_where_its_place_differs() -> None:
    """After the refresh the recording fills it before the one that then stands ahead of it."""
    played = play_lines(
        "A A 1 101 5", "A A 2 101 4", "T B 8 101 5 +", "F A 1 101 5 +", "M A 1 101 5",
        "T B 9 101 5 +", "F A 1 101 5 +", "C A 1 101 5",
    )  # fmt: skip
    report = played.report
    assert (report.trades, report.equal_trades) == (2, 1)
    assert dict(report.causes) == {"iceberg_refresh": 1}
    assert played.levels() == played.recorded_levels() == {("A", 101): 4}


def test_a_maker_from_before_the_recording_is_a_cold_start() -> None:
    played = play_lines(
        "A A 2 101 4", "T B 9 101 6 +", "F A 1 101 5 +", "F A 2 101 1 +", "M A 2 101 3"
    )
    assert played.planner.counts["unknown_fill"] == 1
    assert played.report.equal_trades == 1
    assert played.levels() == {("A", 101): 3}


def test_what_an_order_did_not_show_is_counted_as_hidden() -> None:
    played = play_lines("A A 2 101 4", "T B 9 101 6 +", "F A 2 101 6 +", "C A 2 101 4")
    assert played.planner.counts["hidden_size"] == 2
    assert played.report.equal_size == 4


def test_a_clear_and_a_new_snapshot_begin_the_book_anew() -> None:
    played = play_lines(
        "A B 1 99 4", "A A 2 101 4", "R N 0 - 0 +", "A B 5 98 1 s +", "A A 6 103 2 s"
    )
    assert played.levels() == {("B", 98): 1, ("A", 103): 2}
    played = play_lines("A B 1 99 4", "A B 5 98 1 s +", "A A 6 103 2 s")
    assert played.levels() == {("B", 98): 1, ("A", 103): 2}


def test_an_add_of_the_top_replaces_its_side() -> None:
    played = play_lines("A B 1 99 4", "A B 2 98 4", "A A 3 103 1", "A B 0 97 6 t")
    assert played.levels() == {("B", 97): 6, ("A", 103): 1}


def test_a_traders_order_ahead_is_filled_first_and_the_book_goes_on_as_recorded() -> None:
    gateway = EngineGateway()
    gateway.do(trader_order(Side.SELL, 101, 3))
    played = play_lines(
        "A A 1 101 5", "T B 9 101 4 +", "F A 1 101 4 +", "M A 1 101 1", "A A 2 102 2",
        gateway=gateway,
    )  # fmt: skip
    assert dict(played.report.causes) == {"own_orders": 1}
    assert played.report.shown[0].engine[0] == (None, 101 * TICK, 3)
    assert played.levels() == {("A", 101): 1, ("A", 102): 2}


def test_what_a_trader_takes_is_gone_and_later_changes_of_it_are_counted() -> None:
    gateway = EngineGateway()
    gateway.before = before_taker(gateway, trader_order(Side.BUY, 101, 5, TimeInForce.IOC))
    played = play_lines(
        "A A 1 101 5", "A A 2 101 4", "T B 9 101 5 +", "F A 1 101 5 +", "C A 1 101 5",
        "M A 2 101 2", "C A 2 101 2",
        gateway=gateway,
    )  # fmt: skip
    assert dict(played.report.causes) == {"own_orders": 1}
    assert played.report.counts["size_taken_by_others"] == 5
    assert played.report.counts["already_filled"] >= 1
    assert not played.report.refused
    assert played.levels() == {}


def test_an_answer_that_is_lost_is_asked_for_again_and_nothing_is_done_twice() -> None:
    gateway = EngineGateway()
    gateway.lose_answers = 2
    played = play_lines(
        "A A 1 101 5", "A A 2 101 4", "T B 9 101 6 +", "F A 1 101 5 +", "F A 2 101 1 +",
        "C A 1 101 5 +", "M A 2 101 3",
        gateway=gateway,
    )  # fmt: skip
    assert played.report.counts["retries"] == 2
    assert played.report.equal_trades == played.report.trades == 1
    assert played.levels() == {("A", 101): 3}


def test_a_recorded_order_may_trade_with_a_traders_on_arrival() -> None:
    gateway = EngineGateway()
    gateway.do(trader_order(Side.BUY, 102, 2))
    played = play_lines("A A 1 101 5", "C A 1 101 5", gateway=gateway)
    assert played.report.counts["trades_with_others"] == 1
    assert played.levels() == {}


def test_an_interrupted_replay_is_compared_with_what_was_played() -> None:
    lines = ["A B 1 100 5", "A A 2 101 3", "C B 1 100 5", "A B 3 99 1"]
    played = play([records(lines)], pace_of=interrupted_before(2))
    assert played.player.records_done == 2
    assert played.levels() == {("B", 100): 5, ("A", 101): 3}
    assert played.recorded_levels() == played.levels()
