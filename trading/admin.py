"""Orders and fills in the admin site: to look at, and to cancel an order as an audited action."""

from typing import Any

from django.contrib import admin, messages
from django.db.models import Q, QuerySet
from django.http import HttpRequest

from accounts.admin import OwnedRowsAdmin
from accounts.models import User
from market import instruments
from market.admin import SymbolFilter
from orderbook.admin import utc
from orderbook.core.units import MAX_ID
from orderbook.errors import VenueError
from trading import services
from trading.models import Fill, Order
from trading.order_state import FillState, OrderState
from trading.resources import fill_resource, order_resource
from trading.selectors import FILL_FIELDS, ORDER_FIELDS

MAX_CANCELED_AT_ONCE = 100
"""Most orders that one use of the action cancels."""


def _order(row: Order) -> dict[str, Any]:
    state = OrderState(*(getattr(row, name) for name in ORDER_FIELDS))
    return order_resource(state, instruments.lookup(row.symbol))


def _fill(row: Fill) -> dict[str, Any]:
    state = FillState(*(getattr(row, name) for name in FILL_FIELDS))
    return fill_resource(state, instruments.lookup(row.symbol))


@admin.register(Order)
class OrderAdmin(OwnedRowsAdmin):
    list_display = (
        "id",
        "account",
        "symbol",
        "side",
        "type",
        "time_in_force",
        "price",
        "quantity",
        "filled",
        "status",
        "created",
    )
    list_filter = ("status", SymbolFilter, "side", "type")
    search_help_text = "An order id, an account id or its user's name, or a client order id."
    ordering = ("-id",)
    actions = ("cancel_orders",)
    fields = (
        "id",
        "account",
        "client_order_id",
        "symbol",
        "side",
        "type",
        "time_in_force",
        "price",
        "quantity",
        "filled",
        "average_price",
        "fee",
        "status",
        "cancel_reason",
        "created",
        "updated",
        "created_sequence",
        "updated_sequence",
    )

    def number_query(self, number: int) -> Q:
        return Q(id=number) | Q(account_id=number)

    def text_query(self, text: str) -> Q:
        return super().text_query(text) | Q(client_order_id=text)

    @admin.display(description="price")
    def price(self, row: Order) -> str:
        return _order(row)["price"] or "market"

    @admin.display(description="quantity")
    def quantity(self, row: Order) -> str:
        return str(_order(row)["quantity"])

    @admin.display(description="filled")
    def filled(self, row: Order) -> str:
        return str(_order(row)["filled_quantity"])

    @admin.display(description="average price")
    def average_price(self, row: Order) -> str:
        return _order(row)["average_price"] or "-"

    @admin.display(description="fee")
    def fee(self, row: Order) -> str:
        order = _order(row)
        return f"{order['fee']} {order['fee_asset']}"

    @admin.display(description="created (UTC)", ordering="id")
    def created(self, row: Order) -> str:
        return utc(row.created_ns)

    @admin.display(description="updated (UTC)")
    def updated(self, row: Order) -> str:
        return utc(row.updated_ns)

    def has_cancel_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("trading.cancel_any_order")

    @admin.action(description="Cancel the selected orders", permissions=["cancel"])
    def cancel_orders(self, request: HttpRequest, queryset: QuerySet[Order]) -> None:
        actor = request.user
        assert isinstance(actor, User)
        rows = list(queryset.order_by("id")[: MAX_CANCELED_AT_ONCE + 1])
        if len(rows) > MAX_CANCELED_AT_ONCE:
            message = f"Select at most {MAX_CANCELED_AT_ONCE} orders; nothing was canceled."
            messages.error(request, message)
            return
        for row in rows:
            try:
                services.cancel_as_operator(actor, row.account_id, row.pk)
            except VenueError as error:
                messages.error(request, f"Order {row.pk}: {error.message}")
            else:
                messages.success(request, f"Order {row.pk} has been canceled.")


@admin.register(Fill)
class FillAdmin(OwnedRowsAdmin):
    list_display = (
        "trade_id",
        "liquidity",
        "order_id",
        "account",
        "symbol",
        "side",
        "price",
        "quantity",
        "fee",
        "time",
    )
    list_filter = (SymbolFilter, "side", "is_maker")
    search_help_text = "A trade id, an order id, or an account id or its user's name."
    ordering = ("-id",)
    fields = (*list_display, "quote_quantity", "sequence")

    def number_query(self, number: int) -> Q:
        trades = Q(id__in=[2 * number, 2 * number + 1]) if number <= MAX_ID // 2 - 1 else Q()
        return trades | Q(order_id=number) | Q(account_id=number)

    @admin.display(description="liquidity")
    def liquidity(self, row: Fill) -> str:
        return "maker" if row.is_maker else "taker"

    @admin.display(description="price")
    def price(self, row: Fill) -> str:
        return str(_fill(row)["price"])

    @admin.display(description="quantity")
    def quantity(self, row: Fill) -> str:
        return str(_fill(row)["quantity"])

    @admin.display(description="quote quantity")
    def quote_quantity(self, row: Fill) -> str:
        return str(_fill(row)["quote_quantity"])

    @admin.display(description="fee")
    def fee(self, row: Fill) -> str:
        return f"{_fill(row)['fee']} {row.fee_asset}"

    @admin.display(description="time (UTC)", ordering="id")
    def time(self, row: Fill) -> str:
        return utc(row.time_ns)
