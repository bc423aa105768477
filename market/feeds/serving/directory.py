"""Which feeds and instruments there are: from their tables, written by ``run_feed``.

Sync: reads the database.
"""

import re
from collections.abc import Iterable

from django.db import router, transaction
from django.utils import timezone

from market.feeds.errors import UnknownFeed
from market.feeds.models import MAX_FEED_SYMBOL_LENGTH, Feed, FeedInstrument, FeedState
from market.feeds.serving.errors import AmbiguousInstrument, InstrumentNeeded, UnknownInstrument
from market.feeds.serving.messages import InstrumentName

RUNNING_STATES = (FeedState.CONNECTING, FeedState.LIVE)
_KEY = re.compile(r"([0-9]{1,5}):([0-9]{1,10})", re.ASCII)
MAX_PUBLISHER_ID = 2**16 - 1
MAX_INSTRUMENT_ID = 2**32 - 1


def feeds() -> list[Feed]:
    return list(Feed.objects.order_by("id"))


def feed(feed_id: str) -> Feed:
    """Raises UnknownFeed."""
    try:
        return Feed.objects.get(pk=feed_id)
    except Feed.DoesNotExist:
        raise UnknownFeed from None


def address_of(feed_id: str) -> str:
    """Of the feed's publication; empty where nothing reads the feed now."""
    found = Feed.objects.filter(pk=feed_id).values_list("address", flat=True).first()
    return found or ""


def instruments(feed_id: str) -> list[FeedInstrument]:
    """By symbol."""
    return list(FeedInstrument.objects.filter(feed_id=feed_id).order_by("symbol", "publisher_id"))


def instrument(feed_id: str, text: str) -> FeedInstrument:
    """By symbol or by PUBLISHER:INSTRUMENT; without either the feed's only one.

    Raises UnknownFeed, UnknownInstrument, AmbiguousInstrument, InstrumentNeeded.
    """
    of_feed = FeedInstrument.objects.filter(feed_id=feed_id)
    if not text:
        found = list(of_feed[:2])
        if len(found) > 1:
            raise InstrumentNeeded
    else:
        found = list(of_feed.filter(symbol=text)[:2]) if len(text) <= MAX_FEED_SYMBOL_LENGTH else []
        if not found:
            found = _by_key(feed_id, text)
        if len(found) > 1:
            raise AmbiguousInstrument
    if not found:
        feed(feed_id)
        raise UnknownInstrument
    return found[0]


def _by_key(feed_id: str, text: str) -> list[FeedInstrument]:
    match = _KEY.fullmatch(text)
    if match is None:
        return []
    publisher_id, instrument_id = int(match[1]), int(match[2])
    if publisher_id > MAX_PUBLISHER_ID or instrument_id > MAX_INSTRUMENT_ID:
        return []
    return list(
        FeedInstrument.objects.filter(
            feed_id=feed_id, publisher_id=publisher_id, instrument_id=instrument_id
        )
    )


# -- what run_feed writes ---------------------------------------------------------------------


def announce(
    feed_id: str, *, title: str, source: str, dataset: str, address: str, state: FeedState
) -> Feed:
    """The feed is read from now on, and published at ``address``. An empty title or dataset
    leaves the one that it had."""
    now = timezone.now()
    found = Feed.objects.filter(pk=feed_id).first() or Feed(id=feed_id)
    found.title = title or found.title
    found.dataset = dataset or found.dataset
    found.source, found.address = source, address
    found.state, found.state_text = state, ""
    found.started_at = found.seen_at = now
    found.save()
    return found


def tell_state(feed_id: str, state: str, text: str = "", *, ended: bool = False) -> None:
    """What the process that reads the feed says of it, every few seconds and at its end."""
    values = {"state": state, "state_text": text[:300], "seen_at": timezone.now()}
    if ended:
        values["address"] = ""
    Feed.objects.filter(pk=feed_id).update(**values)


def learn(feed_id: str, names: Iterable[InstrumentName]) -> None:
    """Adds instruments that the table has not, and takes their newest symbols."""
    added: list[FeedInstrument] = []
    with transaction.atomic(using=router.db_for_write(FeedInstrument)):
        known = {
            (row.publisher_id, row.instrument_id): row
            for row in FeedInstrument.objects.filter(feed_id=feed_id)
        }
        for name in names:
            symbol = name.symbol[:MAX_FEED_SYMBOL_LENGTH]
            row = known.get((name.publisher_id, name.instrument_id))
            if row is None:
                added.append(
                    FeedInstrument(
                        feed_id=feed_id,
                        publisher_id=name.publisher_id,
                        instrument_id=name.instrument_id,
                        symbol=symbol,
                    )
                )
            elif row.symbol != symbol:
                row.symbol = symbol
                row.save(update_fields=["symbol"])
        FeedInstrument.objects.bulk_create(added, batch_size=500, ignore_conflicts=True)
