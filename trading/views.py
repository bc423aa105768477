"""REST: an account's orders and fills. Thin: services write, selectors read.

Callers with a bearer token reach placing and canceling through ``hot_routes`` instead, which gives
the same answers; these views serve signed-in browsers and are what the documentation is made from.
"""

from typing import Any

from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.roles import require_trading
from market import instruments
from orderbook.errors import InvalidInput
from orderbook.gateway.pagination import PAGE_PARAMETERS, page_request, page_schema
from orderbook.gateway.schema import ERROR_RESPONSES, error_responses
from trading import changes, selectors, services
from trading.order_entry import (
    CLIENT_ORDER_ID_PATTERN,
    CLIENT_PREFIX,
    SIDES,
    read_cancel_filters,
    read_reference,
    read_symbol,
)
from trading.order_state import STATUSES
from trading.parsers import StrictJSONParser
from trading.resources import fill_resource, order_resource
from trading.serializers import (
    AMEND_REQUEST,
    BATCH_REQUEST,
    LIST_REQUEST,
    ORDER_REQUEST,
    REPLACEMENT_REQUEST,
    SWITCH_REQUEST,
    BatchSerializer,
    CanceledOrdersSerializer,
    CancellationSerializer,
    FillSerializer,
    OrderListSerializer,
    OrderSerializer,
    PlacementSerializer,
    SwitchSerializer,
)

_SYMBOL = OpenApiParameter("symbol", str, description="Only of this instrument.")
_REFERENCE = OpenApiParameter(
    "id",
    {
        "type": "string",
        "pattern": rf"^([1-9][0-9]{{0,18}}|{CLIENT_PREFIX}{CLIENT_ORDER_ID_PATTERN})$",
    },
    OpenApiParameter.PATH,
    description="An order id, or `client:` and a client order id (the newest order of that name).",
)
_EXAMPLE = OpenApiExample(
    "Limit order",
    {
        "symbol": "BTC-USDT",
        "side": "buy",
        "type": "limit",
        "price": "25000.00",
        "quantity": "1",
        "time_in_force": "GTC",
        "client_order_id": "my-order-1",
    },
    request_only=True,
)


def _account_id(request: Request) -> int:
    account_id = request.user.pk
    assert isinstance(account_id, int)
    return account_id


def _body(request: Request) -> dict[str, Any]:
    body = request.data
    assert isinstance(body, dict)  # StrictJSONParser gives nothing else
    return body


def _choice(request: Request, name: str, choices: Any) -> str | None:
    value = request.query_params.get(name)
    if value is not None and value not in choices:
        raise InvalidInput(f"{name} must be one of {', '.join(choices)}.", field=name)
    return value


def _symbol(request: Request) -> str | None:
    """The symbol to filter by; an instrument that does not exist is an error, not an empty list."""
    symbol = read_symbol(request.query_params)
    return instruments.lookup(symbol).symbol if symbol else None


class OrdersView(APIView):
    parser_classes = [StrictJSONParser]

    @extend_schema(
        operation_id="place_order",
        summary="Place an order",
        tags=["Trading"],
        description=(
            "Answers when the order is durable. 403 `permission_denied`: the account may look and "
            "cancel, but not trade. 422 is a refusal by the engine's rules. After 503 "
            "`outcome_unknown` ask for the order by its client_order_id."
        ),
        request={"application/json": ORDER_REQUEST},
        examples=[_EXAMPLE],
        responses={
            201: PlacementSerializer,
            **ERROR_RESPONSES,
            **error_responses(404, 409, 422),
        },
    )
    def post(self, request: Request) -> Response:
        require_trading(request.user)
        placed = services.place_order_blocking(_account_id(request), _body(request))
        return Response(
            placed.resource(), status=201, headers={"Location": f"/api/v1/orders/{placed.order.id}"}
        )

    @extend_schema(
        operation_id="list_orders",
        summary="List own orders, newest first",
        tags=["Trading"],
        parameters=[
            *PAGE_PARAMETERS,
            _SYMBOL,
            OpenApiParameter(
                "status",
                str,
                enum=STATUSES,
                description="`open` gives all that still work in the book, partly filled or not.",
            ),
            OpenApiParameter("side", str, enum=list(SIDES)),
        ],
        responses={
            200: page_schema("OrderPage", OrderSerializer),
            **ERROR_RESPONSES,
            **error_responses(404),
        },
    )
    def get(self, request: Request) -> Response:
        page = selectors.orders_of(
            _account_id(request),
            page_request(request.query_params),
            symbol=_symbol(request),
            status=_choice(request, "status", STATUSES),
            side=_choice(request, "side", SIDES),
        )
        rows = [order_resource(o, instruments.lookup(o.symbol)) for o in page.results]
        return Response(page.body(rows))

    @extend_schema(
        operation_id="cancel_all_orders",
        summary="Cancel all open orders",
        tags=["Trading"],
        parameters=[_SYMBOL, OpenApiParameter("side", str, enum=list(SIDES))],
        request=None,
        responses={
            200: CanceledOrdersSerializer,
            **ERROR_RESPONSES,
            **error_responses(404, 422),
        },
    )
    def delete(self, request: Request) -> Response:
        symbol, side = read_cancel_filters(request.query_params)
        canceled = services.cancel_all_blocking(_account_id(request), symbol, side)
        return Response({"canceled": canceled})


class OrderView(APIView):
    parser_classes = [StrictJSONParser]

    @extend_schema(
        operation_id="get_order",
        summary="Show an own order",
        tags=["Trading"],
        parameters=[_REFERENCE],
        responses={200: OrderSerializer, **ERROR_RESPONSES, **error_responses(404)},
    )
    def get(self, request: Request, id: str) -> Response:
        order = selectors.order_of(_account_id(request), read_reference(id))
        return Response(order_resource(order, instruments.lookup(order.symbol)))

    @extend_schema(
        operation_id="amend_order",
        summary="Amend an own order in place",
        tags=["Trading"],
        description=(
            "A smaller quantity keeps the order's place in its queue; a new price or a larger "
            "quantity sends it to the back, and an order that now crosses trades. `quantity` is "
            "the new total, what is filled already included. 409 where the order is done."
        ),
        parameters=[_REFERENCE],
        request={"application/json": AMEND_REQUEST},
        responses={200: PlacementSerializer, **ERROR_RESPONSES, **error_responses(404, 409, 422)},
    )
    def patch(self, request: Request, id: str) -> Response:
        require_trading(request.user)
        reference = read_reference(id)
        amended = changes.amend_order(_account_id(request), reference, _body(request))
        return Response(amended.resource())

    @extend_schema(
        operation_id="cancel_order",
        summary="Cancel an own order",
        tags=["Trading"],
        description="404 where the account has no such order, 409 where it is done already.",
        parameters=[_REFERENCE],
        request=None,
        responses={
            200: CancellationSerializer,
            **ERROR_RESPONSES,
            **error_responses(404, 409, 422),
        },
    )
    def delete(self, request: Request, id: str) -> Response:
        canceled = services.cancel_order_blocking(_account_id(request), read_reference(id))
        return Response(canceled.resource())


class ReplacementsView(APIView):
    parser_classes = [StrictJSONParser]

    @extend_schema(
        operation_id="replace_order",
        summary="Cancel an own order and place another at once",
        tags=["Trading"],
        description="Neither happens if either is refused. 409 where the order is done.",
        request={"application/json": REPLACEMENT_REQUEST},
        responses={201: PlacementSerializer, **ERROR_RESPONSES, **error_responses(404, 409, 422)},
    )
    def post(self, request: Request) -> Response:
        require_trading(request.user)
        placed = changes.replace_order(_account_id(request), _body(request))
        return Response(
            placed.resource(), status=201, headers={"Location": f"/api/v1/orders/{placed.order.id}"}
        )


class OrderListsView(APIView):
    parser_classes = [StrictJSONParser]

    @extend_schema(
        operation_id="place_order_list",
        summary="Place an OCO or a bracket",
        tags=["Trading"],
        description=(
            "`oco`: two orders of one side and quantity, of which a fill, trigger or end cancels "
            "the other. `bracket`: an entry, then its take-profit and its stop. All are accepted, "
            "or none."
        ),
        request={"application/json": LIST_REQUEST},
        responses={
            201: OrderListSerializer,
            **ERROR_RESPONSES,
            **error_responses(404, 409, 422),
        },
    )
    def post(self, request: Request) -> Response:
        require_trading(request.user)
        placed = changes.place_list(_account_id(request), _body(request))
        return Response(placed.resource(), status=201)


class BatchView(APIView):
    parser_classes = [StrictJSONParser]

    @extend_schema(
        operation_id="execute_batch",
        summary="Place, amend and cancel several orders at once",
        tags=["Trading"],
        description=(
            "One result for each command, in order: `order`, `canceled` or `error`. With "
            "`all_or_nothing` one refusal refuses the whole batch (422, with the command's place "
            "in `field`); it takes limit orders that may rest, and cancels. Each command counts as "
            "a request. Who may not trade may send cancels alone."
        ),
        request={"application/json": BATCH_REQUEST},
        responses={
            200: BatchSerializer,
            **ERROR_RESPONSES,
            **error_responses(404, 409, 422),
        },
    )
    def post(self, request: Request) -> Response:
        fields = _body(request)
        if not changes.only_cancels(fields):
            require_trading(request.user)
        results = changes.execute_batch(_account_id(request), fields)
        return Response({"results": results})


class CancelAllAfterView(APIView):
    parser_classes = [StrictJSONParser]

    @extend_schema(
        operation_id="cancel_all_after",
        summary="Dead man's switch",
        tags=["Trading"],
        description=(
            "Cancels all open orders of the account unless it is called again within "
            "`timeout_ms` (1 second to 1 day). 0 switches it off."
        ),
        request={"application/json": SWITCH_REQUEST},
        responses={200: SwitchSerializer, **ERROR_RESPONSES, **error_responses(422)},
    )
    def post(self, request: Request) -> Response:
        moment = changes.cancel_all_after(_account_id(request), _body(request))
        return Response({"cancels_at": moment})


class FillsView(APIView):
    @extend_schema(
        operation_id="list_fills",
        summary="List own fills, newest first",
        tags=["Trading"],
        parameters=[
            *PAGE_PARAMETERS,
            _SYMBOL,
            OpenApiParameter(
                "order_id",
                {"type": "integer", "format": "int64", "minimum": 1},
                description="Only of this order.",
            ),
        ],
        responses={
            200: page_schema("FillPage", FillSerializer),
            **ERROR_RESPONSES,
            **error_responses(404),
        },
    )
    def get(self, request: Request) -> Response:
        page = selectors.fills_of(
            _account_id(request),
            page_request(request.query_params),
            symbol=_symbol(request),
            order_id=self._order_id(request),
        )
        rows = [fill_resource(fill, instruments.lookup(fill.symbol)) for fill in page.results]
        return Response(page.body(rows))

    @staticmethod
    def _order_id(request: Request) -> int | None:
        text = request.query_params.get("order_id")
        if text is None:
            return None
        reference = read_reference(text)
        if not reference.order_id:
            raise InvalidInput("order_id must be an order's id.", field="order_id")
        return reference.order_id
