"""The public REST routes: right numbers, read-your-writes, helpful refusals."""

from datetime import UTC, datetime
from typing import Any

import pytest
from django.test import Client
from msgspec import structs

from market import replica, symbol_state
from market.projections import MarketProjection
from market.replica import set_market_hub
from market.rolling import RollingTicker
from orderbook.core.units import InstrumentStatus
from orderbook.errors import EngineUnavailable
from orderbook.gateway.gateway import set_gateway
from orderbook.models import ProjectionCursor
from tests.unit.market.builders import (
    MINUTE_NS,
    SYMBOL,
    T0,
    FakeGateway,
    depth,
    instrument,
    journal,
    level,
    recorded,
    trade,
)

pytestmark = pytest.mark.django_db(databases=["default", "journal"])
URL = f"/api/v1/markets/{SYMBOL}"


@pytest.fixture
def gateway():
    gateway = FakeGateway(depth(9, level("buy", 9_900, 5, 2), level("sell", 10_100, 3)))
    set_gateway(gateway)  # type: ignore[arg-type]
    yield gateway
    set_gateway(None)


@pytest.fixture
def market(gateway):
    """Trades 1 and 2 are in the tables, trade 3 only in the journal."""
    written = [*recorded(1, T0, instrument()), *recorded(2, T0, trade(1, 10_000, 2))]
    written += recorded(3, T0 + MINUTE_NS, trade(2, 10_200, 1))
    MarketProjection().apply(written)
    for record in written:
        journal(record.sequence, record.time_ns, record.event)
    journal(4, T0 + MINUTE_NS + 1, trade(3, 9_900, 4))
    ProjectionCursor.objects.create(name="market", sequence=3)
    return gateway


def get(path: str, status: int = 200, **params: Any) -> Any:
    response = Client().get(path, params)
    assert response.status_code == status, response.content
    return response.json()


def refused(path: str, field: str | None = None, **params: Any) -> dict[str, Any]:
    error = get(path, 400, **params)["error"]
    assert error["field"] == field
    return error


def test_time_is_now():
    body = get("/api/v1/time")
    told = datetime.fromisoformat(body["time"])
    assert abs((datetime.now(UTC) - told).total_seconds()) < 60
    assert abs(body["unix_ms"] - told.timestamp() * 1_000) <= 1


def test_a_market_shows_its_rules_as_decimals(market):
    assert get(URL) == {
        "symbol": SYMBOL,
        "base": "BTC",
        "quote": "USDT",
        "status": "trading",
        "tick_size": "0.01",
        "lot_size": "0.00001",
        "min_notional": "5.00000000",
        "max_quantity": "10000.00000",
        "max_notional": None,
        "maker_fee": "0.000800",
        "taker_fee": "0.001000",
        "static_band": None,
        "dynamic_band": None,
        "volatility_pause_ms": None,
    }
    assert get("/api/v1/markets")["results"] == [get(URL)]


def test_a_market_shows_its_limits_bands_and_phase(gateway):
    rules = {
        "max_notional_minor": 10**14,
        "static_band_ppm": 100_000,
        "dynamic_band_ppm": 25_000,
        "pause_ns": 300 * 10**9,
        "status": InstrumentStatus.PRE_OPEN,
    }
    journal(1, T0, instrument(**rules))
    shown = get(URL)
    assert shown["status"] == "pre_open"
    assert shown["max_notional"] == "1000000.00000000"
    assert (shown["static_band"], shown["dynamic_band"]) == ("0.100000", "0.025000")
    assert shown["volatility_pause_ms"] == 300_000


def test_an_auction_shows_what_it_would_do(gateway):
    """The book is crossed, and every route answers all the same."""
    journal(1, T0, instrument(status=InstrumentStatus.OPENING_AUCTION))
    crossed = depth(9, level("buy", 10_100, 5, 2), level("sell", 10_000, 3))
    gateway.book = structs.replace(crossed, until_ns=T0, indication=(10_000, 3, 2))
    assert get(f"{URL}/auction") == {
        "symbol": SYMBOL,
        "phase": "opening_auction",
        "until": "2023-11-14T22:14:00.000000Z",
        "price": "100.00",
        "volume": "0.00003",
        "imbalance": "0.00002",
    }
    assert get(f"{URL}/bbo")["spread"] == "-1.00"
    assert get(f"{URL}/book")["bids"] == [["101.00", "0.00005", 2]]
    assert get(f"{URL}/ticker")["last"] is None


def test_outside_auctions_nothing_is_indicated(market):
    shown = get(f"{URL}/auction")
    assert (shown["phase"], shown["until"], shown["price"]) == ("trading", None, None)
    assert (shown["volume"], shown["imbalance"]) == ("0.00000", "0.00000")


def test_an_instrument_that_is_only_in_the_journal_is_listed(gateway):
    journal(1, T0, instrument("ETH-USDT"))
    assert [one["symbol"] for one in get("/api/v1/markets")["results"]] == ["ETH-USDT"]


def test_the_engine_answers_for_the_book_where_no_replica_runs(market):
    body = get(f"{URL}/book")
    assert body["bids"] == [["99.00", "0.00005", 2]]
    assert body["asks"] == [["101.00", "0.00003", 1]]
    assert (body["symbol"], body["sequence"], body["update_id"]) == (SYMBOL, 9, 9)
    best = get(f"{URL}/bbo")
    assert (best["bid"], best["ask"]) == (body["bids"][0], body["asks"][0])
    assert best["spread"] == "2.00"


def test_an_empty_book_has_no_best_prices(market):
    market.book = depth(0)
    body = get(f"{URL}/bbo")
    assert (body["bid"], body["ask"], body["spread"]) == (None, None, None)


def test_levels_are_cut_to_the_number_asked_for(market):
    market.book = depth(9, *(level("buy", 9_900 - n, 1) for n in range(100)))
    assert len(get(f"{URL}/book")["bids"]) == 50
    assert len(get(f"{URL}/book", levels="7")["bids"]) == 7


def test_an_engine_that_cannot_be_reached_gives_503(market):
    market.failures = [EngineUnavailable()]
    response = Client().get(f"{URL}/book")
    assert response.status_code == 503
    assert response["Retry-After"] == "1"
    assert response.json()["error"]["code"] == "engine_unavailable"


def test_trades_that_the_tables_do_not_have_yet_are_shown(market):
    results = get(f"{URL}/trades")["results"]
    assert [one["id"] for one in results] == [3, 2, 1]
    assert results[0] == {
        "id": 3,
        "price": "99.00",
        "quantity": "0.00004",
        "quote_quantity": "0.00396000",
        "taker_side": "buy",
        "time": "2023-11-14T22:15:00.000000Z",
        "sequence": 4,
    }


def test_trades_are_paged_by_id(market):
    assert [one["id"] for one in get(f"{URL}/trades", limit="2")["results"]] == [3, 2]
    assert [one["id"] for one in get(f"{URL}/trades", limit="2", before="2")["results"]] == [1]
    assert get(f"{URL}/trades", before="1")["results"] == []


def test_candles_contain_the_trades_that_the_tables_do_not_have_yet(market):
    results = get(f"{URL}/candles", interval="1m")["results"]
    assert [one["time"] for one in results] == [
        "2023-11-14T22:14:00.000000Z",
        "2023-11-14T22:15:00.000000Z",
    ]
    newest = results[1]
    assert [newest[name] for name in ("open", "high", "low", "close", "volume")] == [
        "102.00", "102.00", "99.00", "99.00", "0.00005",
    ]  # fmt: skip
    assert newest["trade_count"] == 2
    day = get(f"{URL}/candles", interval="1d")["results"]
    assert [(one["open"], one["close"], one["trade_count"]) for one in day] == [
        ("100.00", "99.00", 3)
    ]


def test_candles_are_cut_by_start_end_and_limit(market):
    def times(**params: str) -> list[str]:
        return [one["time"][11:16] for one in get(f"{URL}/candles", **params)["results"]]

    assert times(start="2023-11-14T22:15:00Z") == ["22:15"]
    assert times(end="2023-11-14T22:15:00Z") == ["22:14"]
    assert times(end="2023-11-14T23:15:00+01:00") == ["22:14"]
    assert times(start="2023-11-15") == []
    assert times(limit="1") == ["22:15"]
    assert times(start="2023-11-14T22:13:00", end="2023-11-14T22:14:00") == []


def test_the_ticker_of_a_market_that_is_idle_for_a_day_knows_the_last_price_only(market):
    body = get(f"{URL}/ticker")
    assert (body["last"], body["open"], body["volume"]) == ("99.00", None, "0.00000")
    assert (body["change"], body["change_percent"]) == (None, None)


@pytest.mark.parametrize(
    "symbol",
    ["NO-SUCH", "btc-usdt", "BTC-USDT%00", "%F0%9F%92%A9", "A" * 5_000, "' OR 1=1 --", "<script>"],
)
@pytest.mark.parametrize("route", ["", "/book", "/bbo", "/trades", "/candles", "/ticker"])
def test_a_symbol_that_does_not_exist_is_a_404_in_the_error_shape(market, symbol, route):
    response = Client().get(f"/api/v1/markets/{symbol}{route}")
    assert response.status_code == 404
    assert response.json()["error"]["code"] == "unknown_symbol"


@pytest.mark.parametrize(
    ("route", "params"),
    [
        ("book", {"levels": value})
        for value in ("0", "-1", "5001", "1.5", "x", "", "\u0661", "9" * 30, "\x00")
    ]
    + [("trades", {"limit": value}) for value in ("0", "1001", "NaN")]
    + [("trades", {"before": value}) for value in ("0", "-5", str(2**63), "1e3")]
    + [("candles", {"interval": value}) for value in ("2m", "", "1M", "1m ")]
    + [("candles", {"limit": value}) for value in ("0", "1501")]
    + [
        ("candles", {name: value})
        for name in ("start", "end")
        for value in (
            "yesterday", "", "2023-13-01T00:00:00Z", "2023-11-14T25:00:00Z", "1700000000", "\x00",
        )
    ],
)  # fmt: skip
def test_a_bad_parameter_is_refused_by_name(market, route, params):
    error = refused(f"{URL}/{route}", next(iter(params)), **params)
    assert error["code"] == "invalid"


@pytest.mark.parametrize("early", ["0001-01-01T00:00:00+14:00", "1969-12-31T23:59:59Z"])
@pytest.mark.parametrize("late", ["9999-12-31T23:59:59-14:00", "2200-01-02T00:00:00Z"])
def test_moments_beyond_all_candles_are_as_good_as_any(market, early, late):
    assert len(get(f"{URL}/candles", start=early, end=late)["results"]) == 2
    assert get(f"{URL}/candles", start=late)["results"] == []
    assert get(f"{URL}/candles", end=early)["results"] == []


def test_no_candle_begins_in_an_empty_span(market):
    moment = "2023-11-14T22:15:00Z"
    assert get(f"{URL}/candles", start=moment, end=moment)["results"] == []


def test_other_methods_are_refused_in_the_error_shape(market):
    response = Client().post(f"{URL}/book")
    assert response.status_code == 405
    assert response.json()["error"]["code"] == "method_not_allowed"


def test_a_broken_token_does_not_matter_to_public_data(market):
    response = Client().get(URL, headers={"Authorization": "Bearer nonsense"})
    assert response.status_code == 200


class _Hub:
    """A replica that has, or has not, reached what is asked for."""

    running = True

    def __init__(self, view: Any) -> None:
        self.view = view
        self.asked: list[tuple[str, int, int]] = []

    def read_from_thread(self, symbol: str, sequence: int, levels: int) -> Any:
        self.asked.append((symbol, sequence, levels))
        return self.view


def test_the_replica_is_asked_for_everything_that_is_in_the_journal(market):
    hub = _Hub(None)
    set_market_hub(hub)  # type: ignore[arg-type]
    get(f"{URL}/book", levels="3")
    assert hub.asked == [(SYMBOL, 4, 3)]
    assert market.asked == 1, "a replica that lags is passed over for the engine"


def test_a_replica_that_is_up_to_date_spares_the_engine(market):
    state = symbol_state.SymbolState(SYMBOL)
    state.install(depth(12, level("buy", 9_950, 1)), [], RollingTicker(SYMBOL))
    source = replica.MarketHub(None, None)  # type: ignore[arg-type]
    source._symbols[SYMBOL] = state
    set_market_hub(_Hub(source.view(SYMBOL)))  # type: ignore[arg-type]
    assert get(f"{URL}/book")["bids"] == [["99.50", "0.00001", 1]]
    assert market.asked == 0
