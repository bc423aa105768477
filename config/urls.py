"""Every HTTP address of the venue; each app names its own pages (urls.py) and API (api_urls.py)."""

from django.conf import settings
from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView
from rest_framework.permissions import AllowAny

handler400 = "config.exceptions.bad_request"
handler403 = "config.exceptions.permission_denied"
handler404 = "config.exceptions.page_not_found"
handler500 = "config.exceptions.server_error"

_OPEN = {"permission_classes": [AllowAny], "authentication_classes": []}

urlpatterns = [
    path("", RedirectView.as_view(url="/markets/"), name="home"),
    path("", include("config.health_urls")),
    path("", include("accounts.urls")),
    path("", include("market.urls")),
    path("", include("market.feeds.serving.urls")),
    path("", include("trading.urls")),
    path("accounts/", include("allauth.urls")),
    # One page to change one's password: allauth's, which counts attempts.
    path("admin/password_change/", RedirectView.as_view(pattern_name="account_change_password")),
    path("admin/", admin.site.urls),
    path("favicon.ico", RedirectView.as_view(url=f"{settings.STATIC_URL}img/favicon.svg")),
    path("api/schema/", SpectacularAPIView.as_view(**_OPEN), name="schema"),
    # Split: its script has an address of its own, as the content policy wants.
    path("api/docs/", SpectacularSwaggerSplitView.as_view(url_name="schema", **_OPEN), name="docs"),
    path("api/v1/", include("accounts.api_urls")),
    path("api/v1/", include("market.api_urls")),
    path("api/v1/", include("market.feeds.serving.api_urls")),
    path("api/v1/", include("trading.api_urls")),
]
