"""Pages."""

from django.urls import path

from accounts import views

urlpatterns = [
    path("portfolio/", views.portfolio, name="portfolio"),
    path("notifications/", views.notifications, name="notifications"),
    path("notifications/read/", views.notifications_read, name="notifications-read"),
    path("profile/", views.profile, name="profile"),
]
