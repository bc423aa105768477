"""REST: feeds, live where they are live, and from storage for the past. No credentials are asked
for, and none are looked at."""

from collections.abc import Callable
from typing import Any, TypeVar

from django.db.models import Count
from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from market.feeds.models import FeedInstrument
from market.feeds.serving import directory, resources, serializers
from market.feeds.serving.errors import FeedNotLive
from market.feeds.serving.hub import BookNow, FeedBook, get_feed_hub
from market.feeds.serving.messages import PUBLISHED_LEVELS, PUBLISHED_TRADES
from market.feeds.serving.units import feed_formatter
from market.parameters import MAX_NS, exact_moment, read_exact_moment, read_whole, whole
from market.values import NS_PER_SECOND, BookLevel
from market.views import PublicView
from orderbook.errors import InvalidInput
from orderbook.gateway.schema import ERROR_RESPONSES, error_responses

DEFAULT_ROWS = 50
MAX_ROWS = 1_000
MAX_BARS = 5_000
DEFAULT_BARS = 600
MAX_STORED_LEVELS = 5_000
MAX_QUOTES = 5_000
DEFAULT_QUOTES = 500
MAX_QUOTE_SECONDS = 600
"""An interval's changes of all books are read to find those of one."""

_Method = TypeVar("_Method", bound=Callable[..., Response])
_INSTRUMENT = OpenApiParameter(
    "instrument",
    {"type": "string"},
    description="Symbol, or PUBLISHER:INSTRUMENT; may be left out where the feed has one book.",
)
_AT = exact_moment(
    "at", "The book of that moment from storage (ISO 8601, or nanoseconds); without it, as of now."
)
_START = exact_moment("start", "Only what was received then or later.")
_END = exact_moment("end", "Only what was received then or before.")


def _documented(
    answer: Any, *parameters: OpenApiParameter, summary: str
) -> Callable[[_Method], _Method]:
    return extend_schema(
        tags=["feeds"],
        summary=summary,
        auth=[],
        parameters=list(parameters),
        responses={200: answer, **ERROR_RESPONSES, **error_responses(404, 409)},
    )


class FeedView(PublicView):
    def row(self, request: Request, feed_id: str) -> FeedInstrument:
        return directory.instrument(feed_id, request.query_params.get("instrument", ""))

    def live(self, row: FeedInstrument, levels: int) -> BookNow:
        """Raises FeedNotLive."""
        book = FeedBook(row.feed_id, row.publisher_id, row.instrument_id)
        now = get_feed_hub().fetch_from_thread(book, levels)
        if now is None:
            raise FeedNotLive
        return now


class FeedListView(PublicView):
    @extend_schema(
        tags=["feeds"],
        operation_id="feeds_list",
        summary="All feeds",
        auth=[],
        responses={200: serializers.FeedListSerializer, **ERROR_RESPONSES},
    )
    def get(self, request: Request) -> Response:
        feeds, now = directory.feeds(), timezone.now()
        stats = get_feed_hub().fetch_stats_from_thread([feed.id for feed in feeds if feed.address])
        counts = instrument_counts()
        results = [
            resources.feed_resource(feed, stats.get(feed.id), counts.get(feed.id, 0), now)
            for feed in feeds
        ]
        return Response({"results": results})


class FeedDetailView(PublicView):
    @_documented(serializers.FeedDetailSerializer, summary="One feed, its figures and instruments")
    def get(self, request: Request, feed_id: str) -> Response:
        feed = directory.feed(feed_id)
        stats = get_feed_hub().fetch_stats_from_thread([feed.id] if feed.address else [])
        rows = directory.instruments(feed_id)
        return Response(
            {
                **resources.feed_resource(feed, stats.get(feed.id), len(rows), timezone.now()),
                "instruments": [resources.instrument_resource(row) for row in rows],
            }
        )


class FeedBookView(FeedView):
    @_documented(
        serializers.FeedBookSerializer,
        _INSTRUMENT,
        _AT,
        whole(
            "levels",
            1,
            MAX_STORED_LEVELS,
            PUBLISHED_LEVELS,
            f"Most levels of each side; at most {PUBLISHED_LEVELS} without at=.",
        ),
        summary="Depth by price level, now or at a moment of the past",
    )
    def get(self, request: Request, feed_id: str) -> Response:
        levels = read_whole(request, "levels", 1, MAX_STORED_LEVELS, PUBLISHED_LEVELS)
        at_ns = read_exact_moment(request, "at")
        head, bids, asks = self.book(self.row(request, feed_id), at_ns, levels)
        return Response({**head, **_sides(bids, asks)})

    def book(
        self, row: FeedInstrument, at_ns: int | None, levels: int | None
    ) -> tuple[dict[str, Any], list[BookLevel], list[BookLevel]]:
        """What is said about it, its bids and its asks."""
        if at_ns is None:
            now = self.live(row, levels or PUBLISHED_LEVELS)
            head = resources.live_head(row.feed_id, row, now)
            return head, list(now.view.bids), list(now.view.asks)
        image = _stored_book(row, at_ns)
        head = resources.stored_head(row.feed_id, row, image)
        bids = resources.stored_levels(image.bids, levels)
        return head, bids, resources.stored_levels(image.asks, levels)


class FeedBestPricesView(FeedBookView):
    @_documented(
        serializers.FeedBestPricesSerializer,
        _INSTRUMENT,
        _AT,
        summary="Best bid and offer, now or at a moment of the past",
    )
    def get(self, request: Request, feed_id: str) -> Response:
        at_ns = read_exact_moment(request, "at")
        head, bids, asks = self.book(self.row(request, feed_id), at_ns, 1)
        best = resources.best_prices(_first(bids), _first(asks), feed_formatter(head["symbol"]))
        return Response({**head, **best})


class FeedTradesView(FeedView):
    @_documented(
        serializers.FeedTradeListSerializer,
        _INSTRUMENT,
        _START,
        _END,
        whole("limit", 1, MAX_ROWS, DEFAULT_ROWS, "Most trades; the newest are given."),
        summary="Trades, newest first; from storage where start= or end= is given",
    )
    def get(self, request: Request, feed_id: str) -> Response:
        limit = read_whole(request, "limit", 1, MAX_ROWS, DEFAULT_ROWS) or DEFAULT_ROWS
        start_ns, end_ns = read_exact_moment(request, "start"), read_exact_moment(request, "end")
        row = self.row(request, feed_id)
        if start_ns is None and end_ns is None and limit <= PUBLISHED_TRADES:
            text = feed_formatter(row.symbol)
            newest = self.live(row, 1).view.trades[:limit]
            results = [text.trade(trade) for trade in newest]
        else:
            from market.feeds.storage import reading

            found = reading.trades(
                row.feed_id, _key(row), *_interval(start_ns, end_ns), limit, newest=True
            )
            results = [resources.stored_trade(trade) for trade in reversed(found)]
        return Response({"feed": feed_id, "symbol": row.symbol, "results": results})


class FeedBarsView(FeedView):
    @_documented(
        serializers.FeedBarListSerializer,
        _INSTRUMENT,
        _START,
        _END,
        whole("limit", 1, MAX_BARS, DEFAULT_BARS, "Most bars; the newest are given."),
        summary="Best bid and offer second by second, oldest first; quiet seconds are left out",
    )
    def get(self, request: Request, feed_id: str) -> Response:
        from market.feeds.storage import reading

        limit = read_whole(request, "limit", 1, MAX_BARS, DEFAULT_BARS) or DEFAULT_BARS
        start_ns, end_ns = read_exact_moment(request, "start"), read_exact_moment(request, "end")
        row = self.row(request, feed_id)
        bars = reading.bars(
            row.feed_id, _key(row), *_interval(start_ns, end_ns), limit, newest=True
        )
        results = [resources.bar_resource(bar) for bar in bars]
        return Response({"feed": feed_id, "symbol": row.symbol, "results": results})


class FeedQuotesView(FeedView):
    @_documented(
        serializers.FeedQuoteListSerializer,
        _INSTRUMENT,
        exact_moment("start", "Only what was received then or later.", required=True),
        exact_moment(
            "end",
            f"Only what was received then or before; at most {MAX_QUOTE_SECONDS} seconds later "
            "than start, and those without it.",
        ),
        whole("limit", 1, MAX_QUOTES, DEFAULT_QUOTES, "Most changes; the oldest are given."),
        summary="Every change of the best bid and offer from storage, oldest first",
    )
    def get(self, request: Request, feed_id: str) -> Response:
        from market.feeds.storage import reading

        limit = read_whole(request, "limit", 1, MAX_QUOTES, DEFAULT_QUOTES) or DEFAULT_QUOTES
        start_ns, end_ns = _quote_interval(request)
        row = self.row(request, feed_id)
        found = reading.bbo(row.feed_id, _key(row), start_ns, end_ns, limit)
        results = [resources.quote_resource(change) for change in found]
        return Response({"feed": feed_id, "symbol": row.symbol, "results": results})


class FeedSnapshotsView(FeedBookView):
    @_documented(
        serializers.FeedSnapshotListSerializer,
        _INSTRUMENT,
        _AT,
        whole("queues", 0, 1, 0, "1: with every level's orders, where at= is given."),
        _START,
        _END,
        whole("limit", 1, MAX_ROWS, DEFAULT_ROWS, "Most snapshots."),
        summary="The whole book of a moment of the past; without at=, where books are stored",
    )
    def get(self, request: Request, feed_id: str) -> Response:
        at_ns = read_exact_moment(request, "at")
        start_ns, end_ns = read_exact_moment(request, "start"), read_exact_moment(request, "end")
        limit = read_whole(request, "limit", 1, MAX_ROWS, DEFAULT_ROWS) or DEFAULT_ROWS
        with_queues = read_whole(request, "queues", 0, 1, 0)
        row = self.row(request, feed_id)
        answer: dict[str, Any] = {"feed": feed_id, "symbol": row.symbol}
        if at_ns is None:
            from market.feeds.storage import reading

            found = reading.snapshots(row.feed_id, _key(row), *_interval(start_ns, end_ns), limit)
            answer["results"] = [resources.snapshot_resource(snapshot) for snapshot in found]
            return Response(answer)
        image = _stored_book(row, at_ns)
        bids, asks = (resources.stored_levels(side, None) for side in (image.bids, image.asks))
        answer["book"] = {**resources.stored_head(feed_id, row, image), **_sides(bids, asks)}
        if with_queues:
            answer["bid_queues"] = resources.stored_queues(image.bids)
            answer["ask_queues"] = resources.stored_queues(image.asks)
        return Response(answer)


def instrument_counts() -> dict[str, int]:
    """Of each feed."""
    rows = FeedInstrument.objects.order_by().values_list("feed_id").annotate(Count("id"))
    return dict(rows)


def _key(row: FeedInstrument) -> Any:
    from market.feeds.books.contract import BookKey

    return BookKey(row.publisher_id, row.instrument_id)


def _stored_book(row: FeedInstrument, at_ns: int) -> Any:
    from market.feeds.storage import reading

    return reading.book_at(row.feed_id, _key(row), at_ns)


def _interval(start_ns: int | None, end_ns: int | None) -> tuple[int, int]:
    return start_ns or 0, MAX_NS if end_ns is None else end_ns


def _quote_interval(request: Request) -> tuple[int, int]:
    start_ns, end_ns = read_exact_moment(request, "start"), read_exact_moment(request, "end")
    if start_ns is None:
        raise InvalidInput("start is required.", code="required", field="start")
    latest_ns = start_ns + MAX_QUOTE_SECONDS * NS_PER_SECOND
    if end_ns is not None and end_ns > latest_ns:
        raise InvalidInput(
            f"end must be at most {MAX_QUOTE_SECONDS} seconds later than start.", field="end"
        )
    return start_ns, min(latest_ns if end_ns is None else end_ns, MAX_NS)


def _sides(bids: list[BookLevel], asks: list[BookLevel]) -> dict[str, Any]:
    text = feed_formatter("")
    return {
        "bids": [text.level(level) for level in bids],
        "asks": [text.level(level) for level in asks],
    }


def _first(levels: list[BookLevel]) -> BookLevel | None:
    return levels[0] if levels else None
