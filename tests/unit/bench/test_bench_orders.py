"""The flow of bench-orders: what it sends, what it counts, and how its numbers are made."""

import json
from decimal import Decimal

import pytest

from bench.bench_orders import (
    MAX_RESTING,
    SYMBOL,
    Flow,
    Load,
    Trader,
    batch_mean,
    cpu_us_per_order,
    projector_lag,
)
from bench.load import Address
from bench.venue import parse_metrics
from tests.unit.bench.fake_venue import Reply, Request, Script, fake_venue

ADDRESS = Address("127.0.0.1", 80)
OPEN = {"status": "open", "fills": []}


def new_flow(address: Address = ADDRESS, seed: int = 1) -> Flow:
    return Flow(address, Trader("one", "token"), Decimal("65000.00"), seed)


def sent(request: bytes) -> dict[str, str]:
    body: dict[str, str] = json.loads(request.partition(b"\r\n\r\n")[2])
    return body


def test_orders_are_passive_ones_around_the_middle_and_marketable_ones_beyond_it():
    flow = new_flow()
    orders = [sent(flow.order()) for _ in range(2_000)]
    assert {order["symbol"] for order in orders} == {SYMBOL}
    assert len({order["client_order_id"] for order in orders}) == len(orders)
    for order in orders:
        behind = Decimal("65000") - Decimal(order["price"])
        behind = behind if order["side"] == "buy" else -behind
        assert (behind > 0) == (order["time_in_force"] == "GTC")
        assert abs(behind) <= Decimal("0.50")
        assert Decimal(order["quantity"]) > 0
    marketable = sum(order["time_in_force"] == "IOC" for order in orders)
    assert 0.2 < marketable / len(orders) < 0.3


def test_a_seed_fixes_the_flow():
    one, other = new_flow(), new_flow()
    assert [sent(one.order())["price"] for _ in range(50)] == [
        sent(other.order())["price"] for _ in range(50)
    ]


def test_what_rests_is_bounded_by_cancels():
    flow, singles, cancels_of_all = new_flow(), 0, 0
    for _ in range(MAX_RESTING * 3):
        flow.order()
        following = flow.after(b'{"status":"open"}')
        if following is not None:
            line = following.partition(b"\r\n")[0]
            singles += line.startswith(b"DELETE /api/v1/orders/client:")
            cancels_of_all += line.startswith(b"DELETE /api/v1/orders?symbol=")
    assert singles > MAX_RESTING // 10
    assert cancels_of_all >= 1
    assert flow.after(b'{"status":"filled"}') is None


async def run_load(script: Script, orders: int) -> Load:
    count = 0
    load: Load

    def counted(request: Request) -> Reply:
        nonlocal count
        count += request.method == "POST"
        load.measuring = True
        load._stopping = count >= orders
        return script(request)

    async with fake_venue(counted) as address:
        load = Load(address, [new_flow(address, seed) for seed in range(2)])
        await load.start()
        await load._idle.wait()
        await load.stop()
    return load


async def test_only_posts_count_as_orders():
    load = await run_load(lambda request: Reply(201 if request.body else 200, OPEN), 60)
    assert load.acknowledged == len(load.orders) >= 60
    assert len(load.cancels) > 0
    assert not load.errors
    assert not load.cancel_errors


async def test_refusals_are_no_orders():
    def script(request: Request) -> Reply:
        return Reply(503, {"error": {"code": "outcome_unknown"}})

    load = await run_load(script, 10)
    assert load.acknowledged == 0
    assert load.errors["outcome_unknown"] == len(load.orders) == load.unknown


def test_the_venues_numbers_are_read_from_its_metrics():
    page = (
        "# TYPE rialto_journal_batch_commands histogram\n"
        'rialto_journal_batch_commands_bucket{le="1.0"} 1\n'
        'rialto_journal_batch_commands_bucket{le="+Inf"} 3\n'
        "rialto_journal_batch_commands_sum 12\n"
        "rialto_journal_batch_commands_count 3\n"
        "# TYPE rialto_projector_lag_seconds gauge\n"
        "rialto_projector_lag_seconds 0.25\n"
    )
    first = {"rialto_journal_batch_commands_sum": 2.0, "rialto_journal_batch_commands_count": 1.0}
    last = parse_metrics(page)
    assert batch_mean([first, last]) == 5.0
    assert projector_lag([first, {"rialto_projector_lag_seconds": 0.4}, last]) == {
        "projector_lag_ms": 250.0,
        "projector_lag_max_ms": 400.0,
    }


def test_without_metrics_there_are_no_such_numbers():
    assert batch_mean([{}, {}]) is None
    assert projector_lag([{}, {}]) == {"projector_lag_ms": None, "projector_lag_max_ms": None}


@pytest.mark.parametrize(
    ("orders", "shown"), [(0, {}), (1_000, {"engine": 50, "web": 200, "total": 250})]
)
def test_cpu_time_is_shared_by_the_orders(orders, shown):
    assert cpu_us_per_order({"web": 0.2, "engine": 0.05}, orders) == shown
