"""WebSocket routes."""

from django.urls import path

from market.routing import from_this_site
from trading.live import TradePageConsumer

websocket_urlpatterns = [
    path("ws/page/<str:symbol>/", from_this_site(TradePageConsumer.as_asgi())),
]
