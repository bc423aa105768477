"""REST routes under /api/v1/."""

from django.urls import path, register_converter
from django.urls.converters import StringConverter

from trading.views import (
    BatchView,
    CancelAllAfterView,
    FillsView,
    OrderListsView,
    OrdersView,
    OrderView,
    ReplacementsView,
)


class OrderReference(StringConverter):
    """An order id or ``client:...``; a client order id may hold slashes."""

    regex = r"client:.*|[^/]+"


register_converter(OrderReference, "order_reference")

urlpatterns = [
    path("orders", OrdersView.as_view(), name="api-orders"),
    path("orders/batches", BatchView.as_view(), name="api-order-batches"),
    path("orders/cancel-all-after", CancelAllAfterView.as_view(), name="api-cancel-all-after"),
    path("orders/lists", OrderListsView.as_view(), name="api-order-lists"),
    path("orders/replacements", ReplacementsView.as_view(), name="api-order-replacements"),
    path("orders/<order_reference:id>", OrderView.as_view(), name="api-order"),
    path("fills", FillsView.as_view(), name="api-fills"),
]
