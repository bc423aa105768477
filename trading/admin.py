"""Orders and fills in the admin site: to look at, with what the journal tells of an order.

An order can be canceled there, and the bust of a trade asked for, both audited."""

from typing import Any

from django.contrib import admin, messages
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.utils.safestring import SafeString

from accounts.admin import OwnedRowsAdmin
from accounts.models import User
from market import instruments
from market.admin import SymbolFilter
from market.formatting import formatter
from orderbook.admin import utc
from orderbook.core.units import MAX_ID, PostOnly, SelfTradePrevention
from orderbook.errors import VenueError
from orderbook.explanation.explain import Limits, explain_order
from orderbook.journal import JournalDamaged
from trading import services
from trading.admin_requests import OperatorRequestAdmin
from trading.models import Fill, Order
from trading.operator_requests import REQUEST_BUST
from trading.order_state import FillState, OrderState
from trading.resources import fill_resource, order_resource
from trading.selectors import FILL_FIELDS, ORDER_FIELDS

__all__ = ["FillAdmin", "OperatorRequestAdmin", "OrderAdmin"]

MAX_CANCELED_AT_ONCE = 100
"""Most orders that one use of the action cancels."""


PAGE_LIMITS = Limits(replayed=50_000, read=300_000)
"""What the order's page replays and reads at most: some seconds. The command has no limits."""
SPECIAL_FIELDS = (
    "stop_price",
    "shown",
    "post_only_rule",
    "self_trade_rule",
    "expires",
    "order_list",
)
"""What most orders do without."""


def _special(row: Order, name: str) -> str:
    """Empty where the order does without."""
    text = formatter(instruments.lookup(row.symbol))
    match name:
        case "stop_price":
            return text.price(row.stop_ticks) if row.stop_ticks else ""
        case "shown":
            return text.quantity(row.display_lots) if row.display_lots else ""
        case "post_only_rule":
            return row.post_only if row.post_only != PostOnly.OFF.value else ""
        case "self_trade_rule":
            return row.self_trade if row.self_trade != SelfTradePrevention.NONE.value else ""
        case "expires":
            return utc(row.expire_ns) if row.expire_ns else ""
        case _:
            return str(row.list_id) if row.list_id else ""


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
        *SPECIAL_FIELDS,
        "explanation",
    )

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Without what the order does not use."""
        unused = {name for name in SPECIAL_FIELDS if obj is not None and not _special(obj, name)}
        return [str(name) for name in self.fields or () if name not in unused]

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

    @admin.display(description="stop price")
    def stop_price(self, row: Order) -> str:
        return _special(row, "stop_price")

    @admin.display(description="shown at a time")
    def shown(self, row: Order) -> str:
        return _special(row, "shown")

    @admin.display(description="post-only")
    def post_only_rule(self, row: Order) -> str:
        return _special(row, "post_only_rule")

    @admin.display(description="self-trade prevention")
    def self_trade_rule(self, row: Order) -> str:
        return _special(row, "self_trade_rule")

    @admin.display(description="expires (UTC)")
    def expires(self, row: Order) -> str:
        return _special(row, "expires")

    @admin.display(description="list")
    def order_list(self, row: Order) -> str:
        return _special(row, "order_list")

    @admin.display(description="why, from the journal")
    def explanation(self, row: Order) -> SafeString | str:
        """What ``manage.py explain_order`` tells, as far as a page may take its time for it."""
        try:
            told = explain_order(row.pk, created_sequence=row.created_sequence, limits=PAGE_LIMITS)
        except VenueError as error:
            return error.message
        except JournalDamaged as error:
            return f"The journal cannot be read: {error}"
        return render_to_string("explanation/steps.html", {"explanation": told})

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
    change_form_template = "admin/trading/fill/change_form.html"
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
        "is_busted",
    )
    list_filter = (SymbolFilter, "side", "is_maker", "is_busted")
    search_help_text = "A trade id, an order id, or an account id or its user's name."
    ordering = ("-id",)
    fields = (*list_display, "quote_quantity", "sequence")

    def number_query(self, number: int) -> Q:
        trades = Q(id__in=[2 * number, 2 * number + 1]) if number <= MAX_ID // 2 - 1 else Q()
        return trades | Q(order_id=number) | Q(account_id=number)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        may_bust = request.user.has_perm(REQUEST_BUST)
        context = {**(extra_context or {}), "may_bust": may_bust}
        return super().change_view(request, object_id, form_url, context)

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
