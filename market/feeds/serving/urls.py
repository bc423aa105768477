"""Pages."""

from django.urls import path

from market.feeds.serving import pages

urlpatterns = [
    path("feeds/", pages.feed_list, name="feeds"),
    path("feeds/<slug:feed_id>/", pages.feed_page, name="feed"),
]
