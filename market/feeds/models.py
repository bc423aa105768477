"""Market data from outside, as it is stored.

Times are nanoseconds since the epoch, UTC, by the feed's clock: the greatest ``ts_recv`` of a
record so far, so that it never runs back within a run. Prices are in units of 1e-9. A record's
position is its number among all that a feed was ever sent, stored or lost; the rows that stand for
a place in the feed have ``Feed.number << POSITION_BITS | position`` as their id.

Tables with a ``PARTITION_COLUMN`` are partitioned by day on PostgreSQL.
"""

from django.core.validators import MaxValueValidator
from django.db import models

POSITION_BITS = 48
MAX_FEED_NUMBER = 2 ** (63 - POSITION_BITS) - 1
MAX_FEED_ID_LENGTH = 48
MAX_FEED_SYMBOL_LENGTH = 71
"""Longest raw symbol of a DBN file."""
CHECKSUM_SIZE = 16
TRADE_SIDES = (("B", "buy"), ("A", "sell"), ("N", "none"))


class FeedState(models.TextChoices):
    STOPPED = "stopped"
    """Nothing reads it."""
    CONNECTING = "connecting"
    LIVE = "live"
    ENDED = "ended"
    """Its source came to an end."""
    FAILED = "failed"


class Feed(models.Model):
    """One source of records, with the address where its books are published while it runs."""

    id = models.SlugField(max_length=MAX_FEED_ID_LENGTH, primary_key=True)
    number = models.PositiveSmallIntegerField(
        unique=True, editable=False, validators=[MaxValueValidator(MAX_FEED_NUMBER)]
    )
    """Given by ``save()``; stands for the feed in the ids of other rows."""
    title = models.CharField(max_length=120, blank=True)
    source = models.TextField(blank=True)
    """Where its records come from, for people: an address, or names of files."""
    dataset = models.CharField(max_length=32, blank=True)
    state = models.CharField(
        max_length=16, choices=FeedState.choices, default=FeedState.STOPPED, db_index=True
    )
    state_text = models.CharField(max_length=300, blank=True)
    """Why it is in this state, for people."""
    address = models.CharField(max_length=120, blank=True)
    """HOST:PORT of its publication; empty while there is none."""
    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True, blank=True)
    seen_at = models.DateTimeField(null=True, blank=True)
    """When the process that reads it last said that it does."""

    class Meta:
        ordering = ("id",)

    def __str__(self) -> str:
        return self.id

    def save(self, *args: object, **kwargs: object) -> None:
        if self.number is None:
            newest = Feed.objects.aggregate(newest=models.Max("number"))["newest"]
            self.number = (newest or 0) + 1
        super().save(*args, **kwargs)  # type: ignore[arg-type]


class FeedInstrument(models.Model):
    """One book of a feed."""

    feed = models.ForeignKey(Feed, models.CASCADE, related_name="instruments")
    publisher_id = models.PositiveIntegerField()
    instrument_id = models.BigIntegerField()
    symbol = models.CharField(max_length=MAX_FEED_SYMBOL_LENGTH)

    class Meta:
        ordering = ("feed", "symbol", "publisher_id")
        constraints = (
            models.UniqueConstraint(
                fields=("feed", "publisher_id", "instrument_id"), name="feeds_instrument_key"
            ),
        )

    def __str__(self) -> str:
        return f"{self.feed_id}/{self.symbol}"


class StorageRun(models.Model):
    """Records that follow one another: a run ends where the source begins again, or the storing
    process does. What a later run stored of a time stands for that time."""

    feed = models.ForeignKey(Feed, models.CASCADE, related_name="runs")
    number = models.PositiveIntegerField()
    first_position = models.BigIntegerField()
    next_position = models.BigIntegerField()
    """One above the last that is stored or known to be lost."""
    start_ns = models.BigIntegerField()
    end_ns = models.BigIntegerField()
    """Of its last record; both ends belong to it."""
    record_count = models.BigIntegerField(default=0)
    lost_count = models.BigIntegerField(default=0)
    started_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField()

    class Meta:
        ordering = ("feed", "number")
        constraints = (models.UniqueConstraint(fields=("feed", "number"), name="feeds_run_number"),)
        indexes = (models.Index(fields=("feed", "start_ns"), name="feeds_run_start"),)

    def __str__(self) -> str:
        return f"{self.feed_id} run {self.number}"


class StorageGap(models.Model):
    """Records that were sent and are not stored."""

    class Reason(models.TextChoices):
        OVERFLOW = "overflow"
        """Storage could not keep up: its queue was full."""
        STREAM = "stream"
        """They never arrived."""
        FAILURE = "failure"
        """The storing process ended and could not go on where it was."""

    feed = models.ForeignKey(Feed, models.CASCADE, related_name="gaps")
    run = models.PositiveIntegerField()
    position = models.BigIntegerField()
    """Of the first that is missing."""
    record_count = models.BigIntegerField()
    start_ns = models.BigIntegerField()
    """Clock before the first that is missing."""
    end_ns = models.BigIntegerField()
    """Clock of the first record after it, or of the last that is missing, if that is known."""
    reason = models.CharField(max_length=16, choices=Reason.choices)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("feed", "position")
        constraints = (
            models.UniqueConstraint(fields=("feed", "position"), name="feeds_gap_position"),
        )

    def __str__(self) -> str:
        return f"{self.feed_id}: {self.record_count} records at {self.position}"


class StoredDay(models.Model):
    """What is stored of one day (UTC) of a feed, all runs together."""

    feed = models.ForeignKey(Feed, models.CASCADE, related_name="days")
    day = models.DateField()
    record_count = models.BigIntegerField(default=0)
    record_bytes = models.BigIntegerField(default=0)
    """As packed, without what the database adds."""
    bbo_count = models.BigIntegerField(default=0)
    bbo_bytes = models.BigIntegerField(default=0)
    bar_count = models.BigIntegerField(default=0)
    """Times that a bar was written; one that goes on is written again."""
    trade_count = models.BigIntegerField(default=0)
    snapshot_count = models.BigIntegerField(default=0)
    snapshot_bytes = models.BigIntegerField(default=0)
    written_at = models.DateTimeField()
    """Retention counts from here, since a day of the past may be stored today."""

    class Meta:
        ordering = ("feed", "day")
        constraints = (models.UniqueConstraint(fields=("feed", "day"), name="feeds_stored_day"),)

    def __str__(self) -> str:
        return f"{self.feed_id} {self.day}"


class RecordSegment(models.Model):
    """Records that follow one another without a gap, exactly as they came."""

    PARTITION_COLUMN = "start_ns"

    id = models.BigIntegerField(primary_key=True)
    feed = models.ForeignKey(Feed, models.DO_NOTHING, related_name="+", db_constraint=False)
    run = models.PositiveIntegerField()
    position = models.BigIntegerField()
    record_count = models.PositiveIntegerField()
    start_ns = models.BigIntegerField()
    end_ns = models.BigIntegerField()
    payload = models.BinaryField()
    checksum = models.BinaryField(max_length=CHECKSUM_SIZE)

    class Meta:
        indexes = (
            models.Index(fields=("feed", "run", "position"), name="feeds_segment_position"),
            models.Index(fields=("feed", "run", "end_ns"), name="feeds_segment_end"),
        )

    def __str__(self) -> str:
        return f"{self.feed_id}: {self.record_count} records from {self.position}"


class BboSegment(models.Model):
    """Every change of a best bid or ask, of all books together, in the order of the records."""

    PARTITION_COLUMN = "start_ns"

    id = models.BigIntegerField(primary_key=True)
    feed = models.ForeignKey(Feed, models.DO_NOTHING, related_name="+", db_constraint=False)
    run = models.PositiveIntegerField()
    position = models.BigIntegerField()
    """Of the record that made its first row."""
    row_count = models.PositiveIntegerField()
    start_ns = models.BigIntegerField()
    end_ns = models.BigIntegerField()
    payload = models.BinaryField()
    checksum = models.BinaryField(max_length=CHECKSUM_SIZE)

    class Meta:
        indexes = (models.Index(fields=("feed", "run", "end_ns"), name="feeds_bbo_end"),)

    def __str__(self) -> str:
        return f"{self.feed_id}: {self.row_count} changes from {self.position}"


class BboBar(models.Model):
    """One second of one book. The quotes are those that were set in it: where none was, the last
    ones before it. Open and close have no price where the side was empty then, high and low where
    it was empty all the time. While the book is not known, after a loss, no quote counts."""

    PARTITION_COLUMN = "start_ns"

    id = models.BigIntegerField(primary_key=True)
    """Instrument's row number << 32 | second."""
    instrument = models.ForeignKey(
        FeedInstrument, models.DO_NOTHING, related_name="+", db_constraint=False
    )
    run = models.PositiveIntegerField()
    start_ns = models.BigIntegerField()
    bid_open = models.BigIntegerField(null=True)
    bid_high = models.BigIntegerField(null=True)
    bid_low = models.BigIntegerField(null=True)
    bid_close = models.BigIntegerField(null=True)
    bid_size = models.BigIntegerField()
    """At the close, like the ask's."""
    ask_open = models.BigIntegerField(null=True)
    ask_high = models.BigIntegerField(null=True)
    ask_low = models.BigIntegerField(null=True)
    ask_close = models.BigIntegerField(null=True)
    ask_size = models.BigIntegerField()
    spread_min = models.BigIntegerField(null=True)
    """Negative while the book is crossed."""
    spread_max = models.BigIntegerField(null=True)
    quote_count = models.BigIntegerField()
    trade_count = models.BigIntegerField()
    buy_volume = models.BigIntegerField()
    """Traded by aggressors who bought."""
    sell_volume = models.BigIntegerField()
    volume = models.BigIntegerField()
    """Of all trades, also those without an aggressor."""

    class Meta:
        indexes = (models.Index(fields=("instrument", "start_ns"), name="feeds_bar_start"),)

    def __str__(self) -> str:
        return f"{self.instrument_id} {self.start_ns}"


class FeedTrade(models.Model):
    """One record with action T."""

    PARTITION_COLUMN = "ts_recv"

    id = models.BigIntegerField(primary_key=True)
    instrument = models.ForeignKey(
        FeedInstrument, models.DO_NOTHING, related_name="+", db_constraint=False
    )
    run = models.PositiveIntegerField()
    ts_recv = models.BigIntegerField()
    ts_event = models.BigIntegerField()
    """-1 where the record has none."""
    price = models.BigIntegerField()
    size = models.BigIntegerField()
    side = models.CharField(max_length=1, choices=TRADE_SIDES)
    """The aggressor's: B bought, A sold."""
    sequence = models.BigIntegerField()
    flags = models.PositiveSmallIntegerField()

    class Meta:
        indexes = (models.Index(fields=("instrument", "ts_recv"), name="feeds_trade_time"),)

    def __str__(self) -> str:
        return f"{self.instrument_id} {self.ts_recv}"


class BookSnapshot(models.Model):
    """A whole book before the record at ``position``. All books that changed since the round
    before are written in one transaction."""

    PARTITION_COLUMN = "ts_ns"

    id = models.UUIDField(primary_key=True)
    """Instrument's row number << 64 | the position's id."""
    feed = models.ForeignKey(Feed, models.DO_NOTHING, related_name="+", db_constraint=False)
    instrument = models.ForeignKey(
        FeedInstrument, models.DO_NOTHING, related_name="+", db_constraint=False
    )
    run = models.PositiveIntegerField()
    position = models.BigIntegerField()
    ts_ns = models.BigIntegerField()
    order_count = models.PositiveIntegerField()
    payload = models.BinaryField()
    checksum = models.BinaryField(max_length=CHECKSUM_SIZE)

    class Meta:
        indexes = (
            models.Index(fields=("instrument", "run", "position"), name="feeds_snapshot_position"),
            models.Index(fields=("feed", "run", "position"), name="feeds_snapshot_round"),
        )

    def __str__(self) -> str:
        return f"{self.instrument_id} @ {self.position}"
