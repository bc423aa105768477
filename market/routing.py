"""WebSocket routes."""

from typing import Any

from channels.auth import AuthMiddlewareStack
from channels.security.websocket import AllowedHostsOriginValidator
from django.urls import path

from market.pages import MarketsConsumer
from market.stream import StreamConsumer


def from_this_site(consumer: Any) -> Any:
    """For pages' sockets: opened by a page of this venue only, and signed in as that page is."""
    return AllowedHostsOriginValidator(AuthMiddlewareStack(consumer))


websocket_urlpatterns = [
    path("ws/markets/", from_this_site(MarketsConsumer.as_asgi())),
    # For programs: it reads no cookie, so any origin may connect, and clients that send none.
    path("ws/stream", StreamConsumer.as_asgi()),
]
