"""Pages."""

from django.urls import path

from trading import pages

app_name = "trading"

urlpatterns = [
    path("trade/", pages.trade_home, name="home"),
    path("trade/<str:symbol>/", pages.trade, name="trade"),
    path("trade/<str:symbol>/orders/", pages.place, name="place"),
    path("orders/", pages.order_list, name="orders"),
    path("orders/cancel-all/", pages.cancel_all, name="cancel_all"),
    path("orders/<int:order_id>/", pages.order_detail, name="order"),
    path("orders/<int:order_id>/amend/", pages.amend, name="amend"),
    path("orders/<int:order_id>/cancel/", pages.cancel, name="cancel"),
]
