"""Feeds as the pages show them: pure functions from figures and states to text."""

from collections import Counter
from datetime import datetime
from typing import NamedTuple

from market.feeds.models import Feed, FeedInstrument
from market.feeds.serving.hub import BookNow
from market.feeds.serving.messages import FeedStats, LatencyStats, StorageStats
from market.feeds.serving.resources import SILENT, shown_state
from market.feeds.serving.units import aligned
from market.formatting import date_text
from market.presentation import MISSING, hundredths_text, price_text
from market.values import NS_PER_SECOND

US_PER_MS = 1_000
_STATES = {
    "stopped": ("Stopped", ""),
    "connecting": ("Connecting", "warn"),
    "live": ("Live", "good"),
    "ended": ("Ended", ""),
    "failed": ("Failed", "bad"),
    SILENT: ("Silent", "bad"),
}
_STATE_HINTS = {
    "stopped": "Nothing reads this feed now.",
    "connecting": "Its process waits for the source.",
    "ended": "The source came to its end.",
    SILENT: "Its process does not answer.",
}
_BOOK_STATES = {
    "init": ("Waiting", "warn", "No record of this book yet."),
    "syncing": ("Snapshot", "warn", "The book is being filled from a snapshot."),
    "live": ("Live", "good", "The book is followed record by record."),
    "gap": (
        "Gap",
        "bad",
        "Records were lost: the book is not right until its source clears it or sends a snapshot.",
    ),
}


class Badge(NamedTuple):
    words: str
    kind: str
    """Class of the badge."""
    hint: str


class LatencyText(NamedTuple):
    """Milliseconds."""

    p50: str
    p99: str
    p99_9: str
    max: str


class FeedRow(NamedTuple):
    id: str
    title: str
    source: str
    dataset: str
    state: Badge
    instruments: str
    rate: str
    """Records a second; ``MISSING`` where nothing reads the feed now."""
    records: str
    p50: str
    p99: str
    stored: str
    """What storage does; "" while that is not known."""
    storage_kind: str


def feed_row(
    feed: Feed,
    stats: FeedStats | None,
    instruments: int,
    now: datetime,
    *,
    was_lost: bool = False,
) -> FeedRow:
    recent = stats.recent if stats else None
    stored, kind = storage_text(stats)
    return FeedRow(
        feed.id,
        feed.title or feed.id,
        feed.source,
        feed.dataset,
        feed_badge(feed, stats, now, was_lost=was_lost),
        f"{max(instruments, stats.book_count if stats else 0):,}",
        f"{stats.records_per_s:,}" if stats else MISSING,
        f"{stats.record_count:,}" if stats else MISSING,
        _ms(recent.p50_us) if recent and recent.record_count else MISSING,
        _ms(recent.p99_us) if recent and recent.record_count else MISSING,
        stored,
        kind,
    )


def feed_badge(
    feed: Feed, stats: FeedStats | None, now: datetime, *, was_lost: bool = False
) -> Badge:
    state = shown_state(feed, stats, now, was_lost=was_lost)
    words, kind = _STATES.get(state, (state, ""))
    text = stats.state_text if stats else feed.state_text
    return Badge(words, kind, text or _STATE_HINTS.get(state, ""))


def book_badges(now: BookNow | None, *, is_read: bool = False) -> list[Badge]:
    """Whether the book can be trusted, and what else is to be known of it. ``is_read``: the feed's
    process answers; so a book that it does not know has had no record."""
    if now is None and is_read:
        return [Badge(*_BOOK_STATES["init"])]
    if now is None:
        return [Badge("No book", "warn", "Nothing is known of the book now.")]
    state = now.state
    words, kind, hint = _BOOK_STATES.get(state.state, (state.state, "", ""))
    if not now.is_current:
        words, kind = "Out of date", "bad"
        hint = "Nothing is heard of the book now: this is how it was last."
    badges = [Badge(words, kind, hint)]
    if state.is_cold_start:
        hint = "It began without a snapshot: orders from before are missing."
        badges.append(Badge("Cold start", "warn", hint))
    if state.is_crossed:
        hint = "The best bid is at or above the best ask, as in an auction; the source has it so."
        badges.append(Badge("Crossed", "warn", hint))
    return badges


class QuoteText(NamedTuple):
    """The strip above the book, and the chart's newest point."""

    bid: str
    bid_size: str
    ask: str
    ask_size: str
    last: str
    last_direction: str
    volume: str
    trades: str
    clock: str
    """By the feed's time."""
    time_s: int
    bid_value: str
    """For the chart; empty where the side is."""
    ask_value: str
    places: int


def quote_text(now: BookNow) -> QuoteText:
    view, form = now.view, aligned(now.view, now.symbol)
    bid, ask, ticker = view.best_bid, view.best_ask, view.ticker
    newest = view.trades[0].taker_side if view.trades else None
    return QuoteText(
        price_text(form, bid.price_ticks if bid else None),
        f"{bid.quantity_lots:,}" if bid else "",
        price_text(form, ask.price_ticks if ask else None),
        f"{ask.quantity_lots:,}" if ask else "",
        price_text(form, ticker.last_ticks),
        "" if newest is None else "up" if newest.value == "buy" else "down",
        f"{ticker.volume_lots:,}",
        f"{ticker.trade_count:,}",
        date_text(view.time_ns),
        view.time_ns // NS_PER_SECOND,
        form.price(bid.price_ticks) if bid else "",
        form.price(ask.price_ticks) if ask else "",
        form.places,
    )


class FiguresText(NamedTuple):
    rate: str
    records: str
    recent: LatencyText | None
    """None while there is no record with a time of sending."""
    overall: LatencyText | None
    storage: str
    storage_kind: str
    books: str
    gaps: str
    anomalies: list[tuple[str, str]]
    restarts: str


def figures_text(stats: FeedStats) -> FiguresText:
    stored, kind = storage_text(stats)
    return FiguresText(
        f"{stats.records_per_s:,}",
        f"{stats.record_count:,}",
        _latency(stats.recent),
        _latency(stats.overall),
        stored,
        kind,
        f"{stats.book_count:,}",
        f"{stats.gap_count:,}",
        [(name.replace("_", " "), f"{count:,}") for name, count in stats.anomalies.items()],
        f"{stats.restart_count:,}",
    )


def storage_text(stats: FeedStats | None) -> tuple[str, str]:
    """Words and the badge's class."""
    if stats is None:
        return "", ""
    if stats.storage is None:
        return "Not stored", ""
    storage: StorageStats = stats.storage
    lag = f"{hundredths_text(round(storage.behind_s * 100))} s behind"
    if storage.dropped_records:
        return f"{storage.dropped_records:,} records lost, {lag}", "bad"
    return (lag, "warn") if storage.behind_s >= 1 else ("Stored, " + lag, "good")


def instrument_choices(
    rows: list[FeedInstrument], chosen: FeedInstrument
) -> list[tuple[str, str, bool]]:
    """(value, words, whether it is the chosen one); a symbol that is not alone names its book."""
    counts = Counter(row.symbol for row in rows)
    found = []
    for row in rows:
        key = f"{row.publisher_id}:{row.instrument_id}"
        words = row.symbol if counts[row.symbol] == 1 else f"{row.symbol} ({key})"
        found.append((key, words, row.pk == chosen.pk))
    return found


def typed_name(rows: list[FeedInstrument], chosen: FeedInstrument) -> str:
    """What is typed to have this book: its symbol, or its numbers where others have the symbol."""
    if sum(row.symbol == chosen.symbol for row in rows) == 1:
        return chosen.symbol
    return f"{chosen.publisher_id}:{chosen.instrument_id}"


def _latency(latency: LatencyStats) -> LatencyText | None:
    if not latency.record_count:
        return None
    return LatencyText(
        _ms(latency.p50_us), _ms(latency.p99_us), _ms(latency.p99_9_us), _ms(latency.max_us)
    )


def _ms(latency_us: int) -> str:
    """Milliseconds with two places."""
    return hundredths_text(-(-latency_us * 100 // US_PER_MS))
