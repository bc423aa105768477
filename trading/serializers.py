"""The shapes of order entry for the API's documentation.

``ORDER_REQUEST`` says exactly what ``order_entry.read_order`` takes; the output serializers say
what ``resources`` makes. Tests hold each pair together.
"""

from typing import Any

from rest_framework import serializers

from orderbook.core.units import (
    MAX_BATCH_COMMANDS,
    MAX_SYMBOL_LENGTH,
    CancelReason,
    OrderType,
    PostOnly,
    SelfTradePrevention,
)
from orderbook.gateway.decimals import MAX_DECIMAL_LENGTH
from trading.order_changes import AMENDABLE, LIST_KINDS, MAX_TIMEOUT_MS
from trading.order_entry import (
    CLIENT_ORDER_ID_PATTERN,
    CLIENT_PREFIX,
    POST_ONLY,
    SELF_TRADE_PREVENTION,
    SIDES,
    TIMES_IN_FORCE,
)
from trading.order_kinds import KINDS, OrderKind
from trading.order_state import STATUSES

DECIMAL_PATTERN = r"^(?!0(\.0+)?$)(0|[1-9][0-9]{0,19})(\.[0-9]{1,18})?$"
"""As ``gateway.decimals.parse_decimal`` takes it, and not zero."""


def _decimal(description: str) -> dict[str, Any]:
    return {
        "type": "string",
        "pattern": DECIMAL_PATTERN,
        "maxLength": MAX_DECIMAL_LENGTH,
        "description": description,
    }


_COMMON: dict[str, Any] = {
    "symbol": {
        "type": "string",
        "minLength": 1,
        "maxLength": MAX_SYMBOL_LENGTH,
        "description": "An instrument of GET /api/v1/markets.",
        "example": "BTC-USDT",
    },
    "side": {"type": "string", "enum": list(SIDES)},
    "self_trade_prevention": {
        "type": "string",
        "enum": list(SELF_TRADE_PREVENTION),
        "description": (
            "What happens where it meets a resting order of the same account; the account's "
            "default, unless given."
        ),
    },
    "client_order_id": {
        "type": "string",
        "pattern": f"^{CLIENT_ORDER_ID_PATTERN}$",
        "description": (
            "The caller's own name for the order. A second order with the same name is refused, "
            "so an order whose outcome is unknown can be sent again without risk."
        ),
    },
}


_EXTRA: dict[str, Any] = {
    "price": _decimal(
        "In the quote asset; a multiple of the instrument's tick size. Of a market order and of "
        "what a stop turns into: the worst price that it may trade at."
    ),
    "stop_price": _decimal("The last-trade price that sets the order off."),
    "trailing_distance": _decimal(
        "How far the stop price follows behind the best last-trade price since entry."
    ),
    "quantity": _decimal("In the base asset; a multiple of the instrument's lot size."),
    "quote_quantity": _decimal("What to spend, or to receive, at most; instead of a quantity."),
    "display_quantity": _decimal("Iceberg: what is shown at a time."),
    "post_only": {
        "type": "string",
        "enum": list(POST_ONLY),
        "description": "Where it would trade on arrival: reject it, or reprice it to one tick off.",
    },
    "expires_at": {
        "type": "string",
        "format": "date-time",
        "pattern": "Z$",
        "description": "When a GTD order ends, in UTC.",
    },
}


_EITHER_QUANTITY = {"oneOf": [{"required": ["quantity"]}, {"required": ["quote_quantity"]}]}


def _variant(word: str, kind: OrderKind) -> dict[str, Any]:
    fields = sorted(kind.required | kind.optional)
    return {
        "title": word.replace("_", "-"),
        "type": "object",
        "additionalProperties": False,
        "required": ["symbol", "side", "type", *sorted(kind.required)],
        "properties": {
            **_COMMON,
            "type": {"type": "string", "enum": [word]},
            "time_in_force": {
                "type": "string",
                "enum": [force.value for force in kind.forces],
                "description": f"{kind.forces[0].value}, unless given.",
            },
            **{name: _EXTRA[name] for name in fields},
        },
        **({} if "quantity" in kind.required else _EITHER_QUANTITY),
    }


ORDER_REQUEST: dict[str, Any] = {"oneOf": [_variant(word, kind) for word, kind in KINDS.items()]}


AMEND_REQUEST: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "minProperties": 1,
    "properties": {name: _EXTRA[name] for name in AMENDABLE},
}
LIST_REQUEST: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["kind", "orders"],
    "properties": {
        "kind": {"type": "string", "enum": list(LIST_KINDS)},
        "orders": {"type": "array", "items": ORDER_REQUEST, "minItems": 2, "maxItems": 3},
    },
}
_NAME = {
    "type": "string",
    "pattern": rf"^([1-9][0-9]{{0,18}}|{CLIENT_PREFIX}{CLIENT_ORDER_ID_PATTERN})$",
    "description": "An order id, or `client:` and a client order id.",
}
REPLACEMENT_REQUEST: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["id", "order"],
    "properties": {"id": _NAME, "order": ORDER_REQUEST},
}
BATCH_REQUEST: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["commands"],
    "properties": {
        "all_or_nothing": {"type": "boolean", "default": False},
        "commands": {
            "type": "array",
            "minItems": 1,
            "maxItems": MAX_BATCH_COMMANDS,
            "items": {
                "type": "object",
                "minProperties": 1,
                "maxProperties": 1,
                "additionalProperties": False,
                "properties": {
                    "place": ORDER_REQUEST,
                    "cancel": _NAME,
                    "amend": {
                        **AMEND_REQUEST,
                        "required": ["id"],
                        "minProperties": 2,
                        "properties": {"id": _NAME, **AMEND_REQUEST["properties"]},
                    },
                },
            },
        },
    },
}
SWITCH_REQUEST: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["timeout_ms"],
    "properties": {"timeout_ms": {"type": "integer", "minimum": 0, "maximum": MAX_TIMEOUT_MS}},
}


class PlacementFillSerializer(serializers.Serializer[Any]):
    trade_id = serializers.IntegerField()
    price = serializers.CharField()
    quantity = serializers.CharField()
    fee = serializers.CharField()
    fee_asset = serializers.CharField(help_text="The asset that the order receives.")
    liquidity = serializers.ChoiceField(["maker", "taker"])


class OrderSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    client_order_id = serializers.CharField(allow_null=True)
    symbol = serializers.CharField()
    side = serializers.ChoiceField(list(SIDES))
    type = serializers.ChoiceField([kind.value for kind in OrderType])
    time_in_force = serializers.ChoiceField(list(TIMES_IN_FORCE))
    price = serializers.CharField(
        allow_null=True, help_text="The limit; of a market order, its protection price, if any."
    )
    stop_price = serializers.CharField(
        allow_null=True, help_text="What the last trade must reach; moves with a trailing stop."
    )
    trailing_distance = serializers.CharField(allow_null=True)
    quantity = serializers.CharField()
    filled_quantity = serializers.CharField()
    remaining_quantity = serializers.CharField()
    display_quantity = serializers.CharField(allow_null=True, help_text="Of an iceberg.")
    quote_quantity = serializers.CharField(
        allow_null=True, help_text="What a market order by quote amount spends or receives at most."
    )
    average_price = serializers.CharField(allow_null=True, help_text="Null before the first fill.")
    fee = serializers.CharField(help_text="Fees so far.")
    fee_asset = serializers.CharField(help_text="The asset that the order receives.")
    rebate = serializers.CharField(help_text="Rebates so far, in the asset that the order gives.")
    post_only = serializers.ChoiceField([one.value for one in PostOnly])
    self_trade_prevention = serializers.ChoiceField([rule.value for rule in SelfTradePrevention])
    expires_at = serializers.DateTimeField(allow_null=True)
    list_id = serializers.IntegerField(
        allow_null=True, help_text="Id of the first order of its OCO or bracket."
    )
    status = serializers.ChoiceField(list(STATUSES))
    cancel_reason = serializers.ChoiceField(
        [reason.value for reason in CancelReason], allow_null=True
    )
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()
    sequence = serializers.IntegerField(help_text="Journal sequence of the last change.")


class PlacementSerializer(OrderSerializer):
    fills = PlacementFillSerializer(many=True, help_text="What the order traded at once.")


class CancellationSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    client_order_id = serializers.CharField(allow_null=True)
    symbol = serializers.CharField()
    remaining_quantity = serializers.CharField(help_text="What was left unfilled.")
    status = serializers.ChoiceField(list(STATUSES), help_text="Always `canceled`.")
    cancel_reason = serializers.ChoiceField([reason.value for reason in CancelReason])
    updated_at = serializers.DateTimeField()
    sequence = serializers.IntegerField()


class OrderListSerializer(serializers.Serializer[Any]):
    list_id = serializers.IntegerField(help_text="Id of the list's first order.")
    kind = serializers.ChoiceField(list(LIST_KINDS))
    orders = PlacementSerializer(many=True)


class BatchErrorSerializer(serializers.Serializer[Any]):
    code = serializers.CharField()
    message = serializers.CharField()


class BatchResultSerializer(serializers.Serializer[Any]):
    order = OrderSerializer(required=False, help_text="The order placed or amended.")
    canceled = CancellationSerializer(required=False)
    error = BatchErrorSerializer(required=False, help_text="Why the command was refused.")


class BatchSerializer(serializers.Serializer[Any]):
    results = BatchResultSerializer(many=True)


class SwitchSerializer(serializers.Serializer[Any]):
    cancels_at = serializers.DateTimeField(allow_null=True)


class CanceledOrdersSerializer(serializers.Serializer[Any]):
    canceled = serializers.ListField(
        child=serializers.IntegerField(), help_text="Ids of the canceled orders, oldest first."
    )


class FillSerializer(serializers.Serializer[Any]):
    trade_id = serializers.IntegerField()
    order_id = serializers.IntegerField()
    symbol = serializers.CharField()
    side = serializers.ChoiceField(list(SIDES))
    price = serializers.CharField()
    quantity = serializers.CharField()
    quote_quantity = serializers.CharField(help_text="What was paid or received, before the fee.")
    fee = serializers.CharField()
    fee_asset = serializers.CharField()
    liquidity = serializers.ChoiceField(["maker", "taker"])
    is_busted = serializers.BooleanField(help_text="The venue undid the trade.")
    created_at = serializers.DateTimeField()
    sequence = serializers.IntegerField()
