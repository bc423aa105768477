"""The answers about feeds, for the API's documentation."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from market.serializers import LevelField, LevelsField
from orderbook.core.units import Side


class FeedLatencySerializer(serializers.Serializer[Any]):
    records = serializers.IntegerField()
    p50_us = serializers.IntegerField()
    p99_us = serializers.IntegerField()
    p99_9_us = serializers.IntegerField()
    max_us = serializers.IntegerField()


class FeedStorageSerializer(serializers.Serializer[Any]):
    queued_records = serializers.IntegerField()
    queued_bytes = serializers.IntegerField()
    behind_s = serializers.FloatField(help_text="How far storage is behind the books.")
    dropped_records = serializers.IntegerField(help_text="That storage had no room for.")


class FeedFiguresSerializer(serializers.Serializer[Any]):
    time = serializers.DateTimeField()
    records = serializers.IntegerField(help_text="Since its process began.")
    records_per_s = serializers.IntegerField()
    books = serializers.IntegerField()
    crossed_books = serializers.IntegerField()
    gaps = serializers.IntegerField(help_text="How often records were lost for good.")
    restarts = serializers.IntegerField(help_text="How often the source began again.")
    anomalies = serializers.DictField(child=serializers.IntegerField())
    latency = FeedLatencySerializer(
        help_text="Of the last ten seconds: scheduled sending to the book with its top ten ready."
    )
    latency_overall = FeedLatencySerializer()
    storage = FeedStorageSerializer(allow_null=True, help_text="Null where nothing is stored.")


class FeedSerializer(serializers.Serializer[Any]):
    id = serializers.CharField()
    title = serializers.CharField()
    source = serializers.CharField()  # type: ignore[assignment]
    dataset = serializers.CharField()
    state = serializers.CharField(
        help_text="stopped, connecting, live, ended, failed, or silent: its process says nothing."
    )
    state_text = serializers.CharField(allow_blank=True)
    is_live = serializers.BooleanField(help_text="Its books can be asked for as they are now.")
    instrument_count = serializers.IntegerField()
    started_at = serializers.DateTimeField(allow_null=True)
    figures = FeedFiguresSerializer(allow_null=True)


class FeedListSerializer(serializers.Serializer[Any]):
    results = FeedSerializer(many=True)


class FeedInstrumentSerializer(serializers.Serializer[Any]):
    symbol = serializers.CharField()
    publisher_id = serializers.IntegerField()
    instrument_id = serializers.IntegerField()
    instrument = serializers.CharField(help_text="Publisher and instrument, as instrument= takes.")


class FeedDetailSerializer(FeedSerializer):
    instruments = FeedInstrumentSerializer(many=True)


class _FeedMomentSerializer(FeedInstrumentSerializer):
    feed = serializers.CharField()
    state = serializers.CharField(
        help_text="init, syncing, live or gap; stored where it is of the past."
    )
    cold_start = serializers.BooleanField(allow_null=True)
    crossed = serializers.BooleanField()
    update_id = serializers.IntegerField(
        allow_null=True, help_text="Last depth update; depth@feed:… on /ws/stream."
    )
    sequence = serializers.IntegerField(help_text="The source's, of the book's last record.")
    ts_recv = serializers.IntegerField(help_text="Nanoseconds since the epoch.")
    time = serializers.DateTimeField()


class FeedBookSerializer(_FeedMomentSerializer):
    bids = LevelsField(help_text="Best first.")
    asks = LevelsField(help_text="Best first.")


class FeedBestPricesSerializer(_FeedMomentSerializer):
    bid = LevelField(allow_null=True)
    ask = LevelField(allow_null=True)
    spread = serializers.CharField(allow_null=True, help_text="Negative while it is crossed.")


class FeedTradeSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField(
        allow_null=True, help_text="Number of the book's trade in this run; null of stored ones."
    )
    price = serializers.CharField()
    quantity = serializers.CharField()
    taker_side = serializers.ChoiceField([side.value for side in Side], allow_null=True)
    time = serializers.DateTimeField()
    sequence = serializers.IntegerField()


class FeedTradeListSerializer(serializers.Serializer[Any]):
    feed = serializers.CharField()
    symbol = serializers.CharField()
    results = FeedTradeSerializer(many=True)


class FeedBarSerializer(serializers.Serializer[Any]):
    time = serializers.DateTimeField(help_text="Start of the second.")
    bid_open = serializers.CharField(allow_null=True)
    bid_high = serializers.CharField(allow_null=True)
    bid_low = serializers.CharField(allow_null=True)
    bid_close = serializers.CharField(allow_null=True)
    ask_open = serializers.CharField(allow_null=True)
    ask_high = serializers.CharField(allow_null=True)
    ask_low = serializers.CharField(allow_null=True)
    ask_close = serializers.CharField(allow_null=True)
    bid_quantity = serializers.CharField()
    ask_quantity = serializers.CharField()
    quotes = serializers.IntegerField()
    trades = serializers.IntegerField()
    volume = serializers.CharField()


class FeedBarListSerializer(serializers.Serializer[Any]):
    feed = serializers.CharField()
    symbol = serializers.CharField()
    results = FeedBarSerializer(many=True)


class FeedQuoteSerializer(serializers.Serializer[Any]):
    time = serializers.DateTimeField()
    ts_recv = serializers.IntegerField(help_text="Nanoseconds since the epoch.")
    bid = LevelField(allow_null=True)
    ask = LevelField(allow_null=True)
    spread = serializers.CharField(allow_null=True, help_text="Negative while it is crossed.")


class FeedQuoteListSerializer(serializers.Serializer[Any]):
    feed = serializers.CharField()
    symbol = serializers.CharField()
    results = FeedQuoteSerializer(many=True)


class FeedSnapshotSerializer(serializers.Serializer[Any]):
    time = serializers.DateTimeField()
    ts_recv = serializers.IntegerField()
    orders = serializers.IntegerField()


@extend_schema_field(
    {
        "type": "array",
        "description": "Of each level, its orders in priority order as [id, size].",
        "items": {"type": "array", "items": {"type": "array", "items": {}}},
    }
)
class QueuesField(serializers.Field):  # type: ignore[type-arg]
    pass


class FeedSnapshotListSerializer(serializers.Serializer[Any]):
    feed = serializers.CharField()
    symbol = serializers.CharField()
    results = FeedSnapshotSerializer(many=True, required=False, help_text="Without at=.")
    book = FeedBookSerializer(required=False, help_text="With at=: the book of that moment.")
    bid_queues = QueuesField(required=False, help_text="With at= and queues=1.")
    ask_queues = QueuesField(required=False, help_text="With at= and queues=1.")
