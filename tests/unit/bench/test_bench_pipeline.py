"""The pipeline benchmark's flow, sizes and medians; that it runs is seen by running it."""

import pytest

from bench.bench_pipeline import parse_arguments, summary
from bench.pipeline_flow import Flow
from bench.pipeline_load import MAX_ORDERS, MIN_ORDERS, Sample, orders_of
from orderbook.core.commands import CancelOrder
from orderbook.core.events import OrderCanceled, Trade


def test_the_flow_is_the_same_for_a_seed_however_it_is_taken() -> None:
    whole, parts = Flow(7), Flow(7)
    commands, events = whole.take(300)
    assert (commands[100:], events[100:]) == (parts.take(100), parts.take(200))[1]
    assert commands != Flow(8).take(300)[0]


def test_every_cancel_of_the_flow_finds_its_order_and_some_orders_trade() -> None:
    commands, events = Flow(1).take(2_000)
    cancels = [
        done
        for command, done in zip(commands, events, strict=True)
        if isinstance(command, CancelOrder)
    ]
    assert 600 < len(cancels) < 1_000
    assert all(isinstance(done[0], OrderCanceled) for done in cancels)
    assert sum(isinstance(event, Trade) for done in events for event in done) > 100


@pytest.mark.parametrize("batch_size", [1, 7, 500, 1_000])
def test_a_measurement_is_bounded_and_takes_whole_batches(batch_size: int) -> None:
    orders = orders_of(batch_size)
    assert orders % batch_size == 0
    assert MIN_ORDERS <= orders < MAX_ORDERS + batch_size


def test_a_point_is_the_median_of_its_rounds() -> None:
    samples = [
        Sample(size, 1_000, seconds, 1.0 + number, 5.0 - number, {"gateway": 2.0 * number})
        for size in (1, 10)
        for number, seconds in enumerate((1.0, 0.5, 0.25))
    ]
    rows = summary(samples)
    assert [row["batch_size"] for row in rows] == [1, 10]
    assert rows[0]["orders_per_s"] == 2_000
    assert rows[0]["orders_per_s_best_round"] == 4_000
    assert (rows[0]["p50_ms"], rows[0]["p99_ms"]) == (2.0, 4.0)
    assert rows[0]["cpu_us_per_order"] == {"gateway": 2.0}


@pytest.mark.parametrize("arguments", [["--rounds", "0"], ["--batch-sizes", "0,1"]])
def test_sizes_that_measure_nothing_are_refused(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        parse_arguments(arguments)
    assert "at least 1" in capsys.readouterr().err
