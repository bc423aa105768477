"""The ASGI application: HTTP, WebSocket and the start and stop of what runs beside them."""

import os
from typing import Any

from channels.routing import ProtocolTypeRouter, URLRouter
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.urls import re_path

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.embedded")
django_application = get_asgi_application()

from config.access_log import AccessLog  # noqa: E402
from config.body_limit import BodyLimit  # noqa: E402
from config.exceptions import error_parts  # noqa: E402
from config.lifespan import Lifespan  # noqa: E402
from config.middleware import bind_request_id  # noqa: E402
from market import routing as market_routing  # noqa: E402
from market.feeds.serving import routing as feeds_routing  # noqa: E402
from trading import routing as trading_routing  # noqa: E402
from trading.hot_routes import OrderRoutes  # noqa: E402


async def no_such_socket(scope: dict[str, Any], receive: Any, send: Any) -> Any:
    """Refuses the handshake at an address that has no socket."""
    await receive()
    await send({"type": "websocket.close"})


application = ProtocolTypeRouter(
    {
        "http": AccessLog(
            OrderRoutes(
                BodyLimit(django_application, max_bytes=settings.DATA_UPLOAD_MAX_MEMORY_SIZE),
                bind_request_id=bind_request_id,
                error_parts=error_parts,
            )
        ),
        "websocket": URLRouter(
            [
                *market_routing.websocket_urlpatterns,
                *feeds_routing.websocket_urlpatterns,
                *trading_routing.websocket_urlpatterns,
                re_path("", no_such_socket),
            ]
        ),
        "lifespan": Lifespan(),
    }
)
