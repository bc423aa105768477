"""The list of feeds and the page of one: complete HTML first, then kept fresh by their sockets."""

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from market.feeds.errors import FeedError, UnknownFeed
from market.feeds.models import Feed, FeedInstrument
from market.feeds.serving import directory
from market.feeds.serving.errors import AmbiguousInstrument
from market.feeds.serving.hub import FeedBook, get_feed_hub
from market.feeds.serving.panels import book_context, figures_context
from market.feeds.serving.presentation import feed_row, instrument_choices, typed_name
from market.feeds.serving.views import instrument_counts
from market.presentation import LADDER_LEVELS

MAX_CHOICES = 500
"""Instruments that are offered as a list; of more, the symbol is typed."""


@require_safe
def feed_list(request: HttpRequest) -> HttpResponse:
    feeds, counts, now = directory.feeds(), instrument_counts(), timezone.now()
    stats = get_feed_hub().fetch_stats_from_thread([feed.id for feed in feeds if feed.address])
    rows = [feed_row(feed, stats.get(feed.id), counts.get(feed.id, 0), now) for feed in feeds]
    return render(request, "feeds/feeds.html", {"rows": rows})


@require_safe
def feed_page(request: HttpRequest, feed_id: str) -> HttpResponse:
    """``?instrument=`` chooses the book: a symbol (the first publisher's that has it), or
    PUBLISHER:INSTRUMENT; without it, the first."""
    try:
        feed = directory.feed(feed_id)
    except UnknownFeed:
        raise Http404 from None
    rows = directory.instruments(feed_id)
    stats = get_feed_hub().fetch_stats_from_thread([feed.id] if feed.address else [])
    context = figures_context(feed, stats.get(feed.id), timezone.now())
    wanted = request.GET.get("instrument", "")
    chosen = _chosen(feed, rows, wanted)
    if chosen is None and wanted:
        return render(request, "feeds/feed.html", context | {"wanted": wanted}, status=404)
    if chosen is not None:
        context["typed"] = typed_name(rows, chosen)
        book = FeedBook(feed.id, chosen.publisher_id, chosen.instrument_id)
        now = get_feed_hub().fetch_from_thread(book, LADDER_LEVELS) if feed.address else None
        context |= book_context(book, chosen.symbol, now, is_read=feed.id in stats)
        context["choices"] = instrument_choices(rows, chosen) if len(rows) <= MAX_CHOICES else []
    return render(request, "feeds/feed.html", context)


def _chosen(feed: Feed, rows: list[FeedInstrument], text: str) -> FeedInstrument | None:
    """None where the feed has no such instrument, or none at all."""
    if not text:
        return rows[0] if rows else None
    try:
        return directory.instrument(feed.id, text)
    except AmbiguousInstrument:
        return next(row for row in rows if row.symbol == text)
    except FeedError:
        return None
