"""A replay sends each step once it may, and again where its answer is not clear."""

import asyncio
from collections import Counter
from collections.abc import Callable

import pytest

from bench import mbo_run
from bench.mbo_file import Record
from bench.mbo_plan import ASK, BID, Kind, Planner, Step
from bench.mbo_run import WINDOW, Replay, Requests, decimal_text
from bench.replay_mbo import pace
from tests.unit.bench.builders import START_NS, record
from tests.unit.bench.fake_venue import HANG_UP, Reply, Request, Script, fake_venue

PLACED = Reply(201, {"status": "open", "fills": []})
CANCELED = Reply(200, {"status": "canceled"})
FLOW = [
    record("A", "B", 1, 10.25, 5),
    record("A", "A", 2, 11, 7),
    record("M", "B", 1, 10.5, 4),
    record("C", "A", 2, 11, 7),
]


def usual(request: Request) -> Reply:
    return PLACED if request.method == "POST" else CANCELED


@pytest.fixture(autouse=True)
def _quick_retries(monkeypatch):
    monkeypatch.setattr(mbo_run, "RETRY_S", 0.01)


async def replayed(
    script: Script,
    records: list[Record] = FLOW,
    due_s: Callable[[Step], float] = lambda step: 0.0,
    connections: int = 3,
) -> Replay:
    async with fake_venue(script) as address, asyncio.timeout(60):
        requests = Requests(address, "T-USD", {BID: "bids", ASK: "asks"})
        replay = Replay(address, requests, Planner(WINDOW).steps(records), due_s)
        await replay.run(connections)
    return replay


async def test_every_step_is_sent_once_and_in_the_order_of_its_recorded_order():
    asked: list[Request] = []

    def script(request: Request) -> Reply:
        asked.append(request)
        return usual(request)

    replay = await replayed(script)
    assert not replay.errors
    assert replay.sent == Counter({Kind.PLACE: 3, Kind.CANCEL: 2})
    of_first = [one for one in asked if one.body.get("side") == "buy" or one.path.endswith(":1")]
    assert [one.body.get("price") for one in of_first] == ["10.25", None, "10.5"]
    assert of_first[2].body == {
        "symbol": "T-USD",
        "side": "buy",
        "type": "limit",
        "price": "10.5",
        "quantity": "4",
        "time_in_force": "GTC",
        "client_order_id": "1.1",
    }


async def test_a_busy_venue_is_asked_again():
    refused = Counter[str]()

    def script(request: Request) -> Reply:
        refused[request.path] += 1
        if refused[request.path] <= 2:
            return Reply(503, {"error": {"code": "engine_unavailable"}})
        return usual(request)

    replay = await replayed(script)
    assert replay.retries >= 4
    assert not replay.errors


async def test_a_lost_connection_costs_no_step():
    seen = set[str]()

    def script(request: Request) -> Reply:
        name = request.body.get("client_order_id", request.path)
        if name not in seen:
            seen.add(name)
            return HANG_UP
        if request.method == "POST":
            return Reply(409, {"error": {"code": "duplicate_client_order_id"}})
        return Reply(409, {"error": {"code": "order_not_open"}})

    replay = await replayed(script)
    assert replay.retries == replay.done_count == 5
    assert not replay.errors


async def test_refusals_are_counted_and_the_first_named():
    def script(request: Request) -> Reply:
        if request.method == "DELETE":
            return Reply(409, {"error": {"code": "order_not_open"}})
        return PLACED

    replay = await replayed(script)
    assert replay.errors == {"order_not_open": 2}
    assert {(failure.step.client_order_id, failure.code) for failure in replay.failures} == {
        ("1", "order_not_open"),
        ("2", "order_not_open"),
    }


async def test_orders_that_trade_at_once_are_reported():
    traded = Reply(201, {"status": "filled", "fills": [{"trade_id": "1"}]})
    replay = await replayed(lambda request: traded if request.method == "POST" else CANCELED)
    assert replay.traded_count == 3
    assert replay.traded[0].kind is Kind.PLACE


async def test_a_clear_runs_alone():
    paths: list[str] = []

    def script(request: Request) -> Reply:
        paths.append(f"{request.method} {request.path}")
        return usual(request)

    records = [
        *(record("A", "B", number, number, 1) for number in range(1, 9)),
        record("R"),
        *(record("A", "B", number, number, 1) for number in range(11, 19)),
    ]
    replay = await replayed(script, records)
    clear = "DELETE /api/v1/orders?symbol=T-USD"
    assert [number for number, path in enumerate(paths) if path == clear] == [8, 9]
    assert replay.sent[Kind.CANCEL_ALL] == 2


async def test_steps_wait_until_they_are_due():
    loop = asyncio.get_running_loop()
    begun: list[float] = []

    def script(request: Request) -> Reply:
        begun.append(loop.time())
        return usual(request)

    await replayed(script, due_s=lambda step: step.number * 0.05)
    assert begun[-1] - begun[0] > 0.15


async def test_a_venue_that_is_gone_ends_the_replay(monkeypatch):
    monkeypatch.setattr(mbo_run, "MAX_TRIES", 2)
    async with fake_venue(lambda request: HANG_UP) as address:
        pass
    requests = Requests(address, "T-USD", {BID: "bids", ASK: "asks"})
    replay = Replay(address, requests, Planner(WINDOW).steps(FLOW), lambda step: 0.0)
    with pytest.raises(OSError, match="Connect call failed"):
        await replay.run(1)


def test_prices_are_written_without_needless_zeros():
    assert [decimal_text(price) for price in (4799750000000, 5 * 10**9, 1)] == [
        "4799.75",
        "5",
        "0.000000001",
    ]


def test_a_pace_is_a_rate_or_a_speed():
    step = Step(30, Kind.PLACE, BID, "1", 1, 1, START_NS + 4 * 10**9, ())
    assert pace("max", START_NS)(step) == 0
    assert pace("15", START_NS)(step) == 2
    assert pace("realtime", START_NS)(step) == 4
    assert pace("realtime*2", START_NS)(step) == 2
    for wrong in ("fast", "0", "-1", "realtime*0", "nan"):
        with pytest.raises(ValueError, match=r"rate|convert"):
            pace(wrong, START_NS)
