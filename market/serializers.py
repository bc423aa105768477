"""The public API's answers, for its documentation. Decimals are strings, times UTC in ISO 8601."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from market.values import CANDLE_INTERVALS_S
from orderbook.core.units import InstrumentStatus, Side

PHASES = tuple(status.value for status in InstrumentStatus)

_LEVEL_SCHEMA: dict[str, Any] = {
    "type": "array",
    "description": "Price, quantity and number of orders.",
    "items": {"oneOf": [{"type": "string"}, {"type": "integer"}]},
    "minItems": 3,
    "maxItems": 3,
    "example": ["64999.99", "0.25000", 3],
}


@extend_schema_field(_LEVEL_SCHEMA)
class LevelField(serializers.Field):  # type: ignore[type-arg]
    pass


@extend_schema_field({"type": "array", "items": _LEVEL_SCHEMA})
class LevelsField(serializers.Field):  # type: ignore[type-arg]
    pass


class VenueTimeSerializer(serializers.Serializer[Any]):
    time = serializers.DateTimeField()
    unix_ms = serializers.IntegerField(help_text="Milliseconds since the epoch.")


class MarketSerializer(serializers.Serializer[Any]):
    symbol = serializers.CharField()
    base = serializers.CharField()
    quote = serializers.CharField()
    status = serializers.ChoiceField(PHASES, help_text="Its phase.")
    tick_size = serializers.CharField(help_text="Price step, in the quote asset.")
    lot_size = serializers.CharField(help_text="Quantity step, in the base asset.")
    min_notional = serializers.CharField(help_text="Least price times quantity of an order.")
    max_quantity = serializers.CharField()
    maker_fee = serializers.CharField(help_text="Part of the amount received, 0.001 is 0.1 %.")
    taker_fee = serializers.CharField()
    max_notional = serializers.CharField(
        allow_null=True, help_text="Most price times quantity of an order."
    )
    static_band = serializers.CharField(
        allow_null=True,
        help_text="How far prices may be from the reference price; 0.1 is 10 %. Null: no limit.",
    )
    dynamic_band = serializers.CharField(
        allow_null=True, help_text="How far a trade may be from the last one. Null: no limit."
    )
    volatility_pause_ms = serializers.IntegerField(
        allow_null=True,
        help_text="Length of the auction that a trade beyond the dynamic band sets off.",
    )


class SessionSerializer(serializers.Serializer[Any]):
    symbol = serializers.CharField()
    phase = serializers.ChoiceField(PHASES)
    until = serializers.DateTimeField(allow_null=True, help_text="When a volatility auction ends.")
    price = serializers.CharField(
        allow_null=True, help_text="Indicative price; null where nothing would trade."
    )
    volume = serializers.CharField(help_text="What would trade at that price.")
    imbalance = serializers.CharField(
        help_text="At that price: buy quantity less sell quantity that could trade."
    )


class MarketListSerializer(serializers.Serializer[Any]):
    results = MarketSerializer(many=True)


class _MomentSerializer(serializers.Serializer[Any]):
    symbol = serializers.CharField()
    sequence = serializers.IntegerField(help_text="Every command up to this one is contained.")
    update_id = serializers.IntegerField(help_text="Last depth update; depth@ on /ws/stream.")
    time = serializers.DateTimeField()


class BookSerializer(_MomentSerializer):
    bids = LevelsField(help_text="Best first.")
    asks = LevelsField(help_text="Best first.")


class BestPricesSerializer(_MomentSerializer):
    bid = LevelField(allow_null=True)
    ask = LevelField(allow_null=True)
    spread = serializers.CharField(allow_null=True)


class PublicTradeSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    price = serializers.CharField()
    quantity = serializers.CharField()
    quote_quantity = serializers.CharField()
    taker_side = serializers.ChoiceField([side.value for side in Side])
    time = serializers.DateTimeField()
    sequence = serializers.IntegerField()


class PublicTradeListSerializer(serializers.Serializer[Any]):
    symbol = serializers.CharField()
    results = PublicTradeSerializer(many=True)


class CandleSerializer(serializers.Serializer[Any]):
    time = serializers.DateTimeField(help_text="Start of the interval.")
    open = serializers.CharField()
    high = serializers.CharField()
    low = serializers.CharField()
    close = serializers.CharField()
    volume = serializers.CharField()
    quote_volume = serializers.CharField()
    trade_count = serializers.IntegerField()


class CandleListSerializer(serializers.Serializer[Any]):
    symbol = serializers.CharField()
    interval = serializers.ChoiceField(list(CANDLE_INTERVALS_S))
    results = CandleSerializer(many=True)


class TickerSerializer(serializers.Serializer[Any]):
    symbol = serializers.CharField()
    last = serializers.CharField(allow_null=True)
    open = serializers.CharField(allow_null=True)
    high = serializers.CharField(allow_null=True)
    low = serializers.CharField(allow_null=True)
    change = serializers.CharField(allow_null=True)
    change_percent = serializers.CharField(allow_null=True)
    volume = serializers.CharField()
    quote_volume = serializers.CharField()
    trade_count = serializers.IntegerField()
