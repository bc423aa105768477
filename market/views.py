"""REST: public market data. No credentials are asked for, and none are looked at."""

import time
from collections.abc import Callable
from typing import Any, TypeVar

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from market import current, instruments, selectors, serializers
from market.current import BookNow
from market.formatting import Formatter, formatter, market_resource, session_resource, time_text
from market.instruments import SYMBOL_PATTERN
from market.parameters import moment, read_moment, read_whole, whole
from market.replica import MAX_LEVELS
from market.selectors import MAX_CANDLES, MAX_TRADES
from market.values import CANDLE_INTERVALS_S
from orderbook.core.events import InstrumentDefined
from orderbook.errors import InvalidInput
from orderbook.gateway.schema import ERROR_RESPONSES, error_responses

DEFAULT_LEVELS = 50
DEFAULT_TRADES = 50
DEFAULT_CANDLES = 500
MAX_TRADE_ID = 2**63 - 1

_Method = TypeVar("_Method", bound=Callable[..., Response])
_SYMBOL = OpenApiParameter(
    "symbol", {"type": "string", "pattern": SYMBOL_PATTERN}, OpenApiParameter.PATH
)


def _documented(
    answer: Any, *parameters: OpenApiParameter, summary: str
) -> Callable[[_Method], _Method]:
    return extend_schema(
        tags=["market data"],
        summary=summary,
        auth=[],
        parameters=[_SYMBOL, *parameters],
        responses={200: answer, **ERROR_RESPONSES, **error_responses(404)},
    )


class PublicView(APIView):
    authentication_classes = ()
    permission_classes = (AllowAny,)

    def instrument(self, symbol: str) -> tuple[InstrumentDefined, Formatter]:
        """Raises UnknownSymbol."""
        found = instruments.lookup(symbol)
        return found, formatter(found)


class TimeView(PublicView):
    @extend_schema(
        tags=["market data"],
        summary="The venue's clock",
        auth=[],
        responses={200: serializers.VenueTimeSerializer, **ERROR_RESPONSES},
    )
    def get(self, request: Request) -> Response:
        now_ns = time.time_ns()
        return Response({"time": time_text(now_ns), "unix_ms": now_ns // 1_000_000})


class MarketListView(PublicView):
    @extend_schema(
        tags=["market data"],
        operation_id="markets_list",
        summary="All instruments",
        auth=[],
        responses={200: serializers.MarketListSerializer, **ERROR_RESPONSES},
    )
    def get(self, request: Request) -> Response:
        found = instruments.all_instruments()
        return Response({"results": [market_resource(instrument) for instrument in found]})


class MarketView(PublicView):
    @_documented(serializers.MarketSerializer, summary="One instrument")
    def get(self, request: Request, symbol: str) -> Response:
        found, _ = self.instrument(symbol)
        return Response(market_resource(found))


class BookView(PublicView):
    @_documented(
        serializers.BookSerializer,
        whole("levels", 1, MAX_LEVELS, DEFAULT_LEVELS, "Most levels of each side."),
        summary="Depth by price level",
    )
    def get(self, request: Request, symbol: str) -> Response:
        levels = read_whole(request, "levels", 1, MAX_LEVELS, DEFAULT_LEVELS)
        assert levels is not None
        _, text = self.instrument(symbol)
        book = current.book(symbol, levels)
        return Response(
            {
                **_head(symbol, book),
                "bids": [text.level(level) for level in book.bids],
                "asks": [text.level(level) for level in book.asks],
            }
        )


class BestPricesView(PublicView):
    @_documented(serializers.BestPricesSerializer, summary="Best bid and offer")
    def get(self, request: Request, symbol: str) -> Response:
        _, text = self.instrument(symbol)
        book = current.book(symbol, 1)
        bid = book.bids[0] if book.bids else None
        ask = book.asks[0] if book.asks else None
        spread = text.price(ask.price_ticks - bid.price_ticks) if bid and ask else None
        return Response(
            {
                **_head(symbol, book),
                "bid": text.level(bid) if bid else None,
                "ask": text.level(ask) if ask else None,
                "spread": spread,
            }
        )


class TradesView(PublicView):
    @_documented(
        serializers.PublicTradeListSerializer,
        whole("limit", 1, MAX_TRADES, DEFAULT_TRADES, "Most trades."),
        whole("before", 1, MAX_TRADE_ID, None, "Only trades older than the one with this id."),
        summary="Trades, newest first",
    )
    def get(self, request: Request, symbol: str) -> Response:
        limit = read_whole(request, "limit", 1, MAX_TRADES, DEFAULT_TRADES)
        before = read_whole(request, "before", 1, MAX_TRADE_ID, None)
        assert limit is not None
        _, text = self.instrument(symbol)
        found = current.trades(symbol, limit, before)
        return Response({"symbol": symbol, "results": [text.trade(trade) for trade in found]})


class SessionView(PublicView):
    @_documented(serializers.SessionSerializer, summary="Phase, and what its auction would do now")
    def get(self, request: Request, symbol: str) -> Response:
        found, _ = self.instrument(symbol)
        return Response(session_resource(found, current.session(symbol)))


class CandlesView(PublicView):
    @_documented(
        serializers.CandleListSerializer,
        OpenApiParameter(
            "interval",
            {"type": "string", "enum": list(CANDLE_INTERVALS_S), "default": "1m"},
        ),
        moment("start", "Only candles that begin then or later."),
        moment("end", "Only candles that begin before."),
        whole("limit", 1, MAX_CANDLES, DEFAULT_CANDLES, "Most candles; the newest are given."),
        summary="Candles, oldest first; intervals without a trade are left out",
    )
    def get(self, request: Request, symbol: str) -> Response:
        interval = request.query_params.get("interval", "1m")
        if interval not in CANDLE_INTERVALS_S:
            allowed = ", ".join(CANDLE_INTERVALS_S)
            raise InvalidInput(f"interval must be one of {allowed}.", field="interval")
        start_ns, end_ns = read_moment(request, "start"), read_moment(request, "end")
        limit = read_whole(request, "limit", 1, MAX_CANDLES, DEFAULT_CANDLES)
        assert limit is not None
        _, text = self.instrument(symbol)
        bars = selectors.candles(
            symbol, CANDLE_INTERVALS_S[interval], start_ns=start_ns, end_ns=end_ns, limit=limit
        )
        results = [text.candle(bar) for bar in bars]
        return Response({"symbol": symbol, "interval": interval, "results": results})


class TickerView(PublicView):
    @_documented(serializers.TickerSerializer, summary="The last 24 hours, to the minute")
    def get(self, request: Request, symbol: str) -> Response:
        _, text = self.instrument(symbol)
        return Response(text.ticker(current.ticker(symbol)))


def _head(symbol: str, book: BookNow) -> dict[str, Any]:
    return {
        "symbol": symbol,
        "sequence": book.sequence,
        "update_id": book.update_id,
        "time": time_text(book.time_ns),
    }
