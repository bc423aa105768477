"""WebSocket routes of the feeds' pages; programs use /ws/stream."""

from django.urls import path

from market.feeds.serving.live import FeedPageConsumer, FeedsConsumer
from market.routing import from_this_site

websocket_urlpatterns = [
    path("ws/feeds/", from_this_site(FeedsConsumer.as_asgi())),
    path(
        "ws/feeds/<slug:feed_id>/<int:publisher_id>:<int:instrument_id>/",
        from_this_site(FeedPageConsumer.as_asgi()),
    ),
]
