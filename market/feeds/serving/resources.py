"""Feeds and their books as the API shows them. Pure."""

from datetime import datetime, timedelta
from itertools import groupby
from typing import TYPE_CHECKING, Any

from market.feeds.models import BboBar, BookSnapshot, Feed, FeedInstrument, FeedTrade
from market.feeds.serving.directory import RUNNING_STATES
from market.feeds.serving.hub import BookNow
from market.feeds.serving.messages import FeedStats, LatencyStats
from market.feeds.serving.units import feed_formatter
from market.formatting import Formatter, time_text
from market.values import BookLevel

if TYPE_CHECKING:
    from market.feeds.books.contract import BookImage

SILENT_AFTER = timedelta(seconds=20)
"""Age of the last word from a feed's process at which it is taken for dead."""
SILENT = "silent"
_SIDES = {"B": "buy", "A": "sell"}


def shown_state(
    feed: Feed, stats: FeedStats | None, now: datetime, *, was_lost: bool = False
) -> str:
    """What its process says now; where it says nothing, what it said last, unless that is old or
    its process fell silent while it was heard (``was_lost``)."""
    if stats is not None:
        return stats.state
    is_old = was_lost or feed.seen_at is None or now - feed.seen_at > SILENT_AFTER
    return SILENT if feed.state in RUNNING_STATES and is_old else str(feed.state)


def feed_resource(
    feed: Feed, stats: FeedStats | None, instrument_count: int, now: datetime
) -> dict[str, Any]:
    return {
        "id": feed.id,
        "title": feed.title or feed.id,
        "source": feed.source,
        "dataset": feed.dataset,
        "state": shown_state(feed, stats, now),
        "state_text": stats.state_text if stats else feed.state_text,
        "is_live": stats is not None,
        "instrument_count": instrument_count,
        "started_at": feed.started_at,
        "figures": figures_resource(stats) if stats else None,
    }


def figures_resource(stats: FeedStats) -> dict[str, Any]:
    storage = stats.storage
    return {
        "time": time_text(stats.time_ns),
        "records": stats.record_count,
        "records_per_s": stats.records_per_s,
        "books": stats.book_count,
        "crossed_books": stats.crossed_count,
        "gaps": stats.gap_count,
        "restarts": stats.restart_count,
        "anomalies": stats.anomalies,
        "latency": _latency(stats.recent),
        "latency_overall": _latency(stats.overall),
        "storage": None
        if storage is None
        else {
            "queued_records": storage.queued_records,
            "queued_bytes": storage.queued_bytes,
            "behind_s": round(storage.behind_s, 3),
            "dropped_records": storage.dropped_records,
        },
    }


def _latency(latency: LatencyStats) -> dict[str, int]:
    return {
        "records": latency.record_count,
        "p50_us": latency.p50_us,
        "p99_us": latency.p99_us,
        "p99_9_us": latency.p99_9_us,
        "max_us": latency.max_us,
    }


def instrument_resource(row: FeedInstrument) -> dict[str, Any]:
    return {
        "symbol": row.symbol,
        "publisher_id": row.publisher_id,
        "instrument_id": row.instrument_id,
        "instrument": f"{row.publisher_id}:{row.instrument_id}",
    }


def live_head(feed_id: str, row: FeedInstrument, now: BookNow) -> dict[str, Any]:
    state = now.state
    return {
        "feed": feed_id,
        **instrument_resource(row),
        "state": state.state,
        "cold_start": state.is_cold_start,
        "crossed": state.is_crossed,
        "update_id": now.view.update_id,
        "sequence": state.sequence,
        "ts_recv": state.ts_recv,
        "time": time_text(state.ts_recv),
    }


def stored_head(feed_id: str, row: FeedInstrument, image: "BookImage") -> dict[str, Any]:
    bids, asks = image.bids, image.asks
    return {
        "feed": feed_id,
        **instrument_resource(row),
        "state": "stored",
        "cold_start": None,
        "crossed": bool(len(bids) and len(asks) and bids["price"][0] >= asks["price"][0]),
        "update_id": None,
        "sequence": image.head.sequence,
        "ts_recv": image.head.ts_recv,
        "time": time_text(image.head.ts_recv),
    }


def stored_levels(side: Any, limit: int | None) -> list[BookLevel]:
    """Of one side of an image, best first."""
    found = []
    orders = zip(side["price"].tolist(), side["size"].tolist(), strict=True)
    for price, level in groupby(orders, key=lambda order: order[0]):
        sizes = [size for _, size in level]
        found.append(BookLevel(price, sum(sizes), len(sizes)))
        if limit is not None and len(found) >= limit:
            break
    return found


def stored_queues(side: Any) -> list[list[list[int | str]]]:
    """Of every level its orders as [id, size] in priority order; ids are texts, as they have 64
    bits."""
    orders = zip(
        side["price"].tolist(), side["order_id"].tolist(), side["size"].tolist(), strict=True
    )
    return [
        [[str(order_id), size] for _, order_id, size in level]
        for _, level in groupby(orders, key=lambda order: order[0])
    ]


def best_prices(bid: BookLevel | None, ask: BookLevel | None, text: Formatter) -> dict[str, Any]:
    return {
        "bid": text.level(bid) if bid else None,
        "ask": text.level(ask) if ask else None,
        "spread": text.price(ask.price_ticks - bid.price_ticks) if bid and ask else None,
    }


def stored_trade(trade: FeedTrade) -> dict[str, Any]:
    text = feed_formatter("")
    return {
        "id": None,
        "price": text.price(trade.price),
        "quantity": text.quantity(trade.size),
        "taker_side": _SIDES.get(trade.side),
        "time": time_text(trade.ts_recv),
        "sequence": trade.sequence,
    }


def bar_resource(bar: BboBar) -> dict[str, Any]:
    text = feed_formatter("")
    return {
        "time": time_text(bar.start_ns),
        **{
            name: text.price_or_none(getattr(bar, name))
            for name in (
                *("bid_open", "bid_high", "bid_low", "bid_close"),
                *("ask_open", "ask_high", "ask_low", "ask_close"),
            )
        },
        "bid_quantity": str(bar.bid_size),
        "ask_quantity": str(bar.ask_size),
        "quotes": bar.quote_count,
        "trades": bar.trade_count,
        "volume": str(bar.volume),
    }


def quote_resource(change: Any) -> dict[str, Any]:
    """A row of the stored changes of best prices."""
    return {
        "time": time_text(int(change["ts_recv"])),
        "ts_recv": int(change["ts_recv"]),
        **best_prices(
            _best(change["bid_px"], change["bid_sz"], change["bid_ct"]),
            _best(change["ask_px"], change["ask_sz"], change["ask_ct"]),
            feed_formatter(""),
        ),
    }


def _best(price: Any, size: Any, count: Any) -> BookLevel | None:
    """None of an empty side."""
    return BookLevel(int(price), int(size), int(count)) if count else None


def snapshot_resource(row: BookSnapshot) -> dict[str, Any]:
    return {"time": time_text(row.ts_ns), "ts_recv": row.ts_ns, "orders": row.order_count}
