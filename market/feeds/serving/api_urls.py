"""REST routes under /api/v1/feeds/."""

from django.urls import path

from market.feeds.serving import views

urlpatterns = [
    path("feeds/", views.FeedListView.as_view(), name="api-feeds"),
    path("feeds/<slug:feed_id>/", views.FeedDetailView.as_view(), name="api-feed"),
    path("feeds/<slug:feed_id>/book", views.FeedBookView.as_view(), name="api-feed-book"),
    path("feeds/<slug:feed_id>/bbo", views.FeedBestPricesView.as_view(), name="api-feed-bbo"),
    path("feeds/<slug:feed_id>/quotes", views.FeedQuotesView.as_view(), name="api-feed-quotes"),
    path("feeds/<slug:feed_id>/trades", views.FeedTradesView.as_view(), name="api-feed-trades"),
    path("feeds/<slug:feed_id>/bars", views.FeedBarsView.as_view(), name="api-feed-bars"),
    path(
        "feeds/<slug:feed_id>/snapshots",
        views.FeedSnapshotsView.as_view(),
        name="api-feed-snapshots",
    ),
]
