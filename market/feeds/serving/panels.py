"""What the pages of feeds show: contexts for the page, fragments for its sockets."""

from collections.abc import Sequence
from typing import Any

from django.template.loader import render_to_string

from market.feeds.models import Feed
from market.feeds.serving.hub import BookNow, FeedBook
from market.feeds.serving.messages import FeedStats
from market.feeds.serving.presentation import (
    book_badges,
    feed_badge,
    figures_text,
    quote_text,
)
from market.feeds.serving.units import aligned, feed_formatter
from market.presentation import empty_view, ladder, trade_rows

BOOK_PANELS = ("strip", "ladder", "quote")
"""Those that change without a trade."""
ALL_BOOK_PANELS = (*BOOK_PANELS, "trades")
_TEMPLATES = {
    "strip": "feeds/partials/strip.html",
    "quote": "feeds/partials/quote.html",
    "ladder": "market/partials/ladder.html",
    "trades": "market/partials/trades.html",
    "figures": "feeds/partials/figures.html",
}


def book_context(
    book: FeedBook, symbol: str, now: BookNow | None, *, is_read: bool = True
) -> dict[str, Any]:
    """``now`` is None where the feed does not say what the book is; ``is_read``: it answers."""
    view = now.view if now else empty_view(symbol)
    form = aligned(view, symbol) if now else feed_formatter(symbol)
    return {
        "book": book,
        "symbol": symbol,
        "has_ticket": False,
        "badges": book_badges(now, is_read=is_read),
        "quote": quote_text(now) if now else None,
        "ladder": ladder(view, form),
        "trades": trade_rows(view, form),
    }


def book_fragments(
    book: FeedBook, symbol: str, now: BookNow, panels: Sequence[str]
) -> dict[str, str]:
    context = book_context(book, symbol, now)
    return {name: render_to_string(_TEMPLATES[name], context) for name in panels}


def figures_context(
    feed: Feed, stats: FeedStats | None, now: Any, *, was_lost: bool = False
) -> dict[str, Any]:
    return {
        "feed": feed,
        "feed_state": feed_badge(feed, stats, now, was_lost=was_lost),
        "figures": figures_text(stats) if stats else None,
    }


def figures_fragment(
    feed: Feed, stats: FeedStats | None, now: Any, *, was_lost: bool = False
) -> str:
    context = figures_context(feed, stats, now, was_lost=was_lost)
    return render_to_string(_TEMPLATES["figures"], context)
