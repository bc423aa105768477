"""REST routes under /api/v1/."""

from django.urls import path

from market import views

urlpatterns = [
    path("time", views.TimeView.as_view(), name="api-time"),
    path("markets", views.MarketListView.as_view(), name="api-markets"),
    path("markets/<str:symbol>", views.MarketView.as_view(), name="api-market"),
    path("markets/<str:symbol>/book", views.BookView.as_view(), name="api-book"),
    path("markets/<str:symbol>/bbo", views.BestPricesView.as_view(), name="api-bbo"),
    path("markets/<str:symbol>/auction", views.SessionView.as_view(), name="api-auction"),
    path("markets/<str:symbol>/trades", views.TradesView.as_view(), name="api-trades"),
    path("markets/<str:symbol>/candles", views.CandlesView.as_view(), name="api-candles"),
    path("markets/<str:symbol>/ticker", views.TickerView.as_view(), name="api-ticker"),
]
