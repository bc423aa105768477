"""REST routes under /api/v1/."""

from django.urls import path

from accounts import api

urlpatterns = [
    path("signup", api.SignUpView.as_view(), name="api-signup"),
    path("signin", api.SignInView.as_view(), name="api-signin"),
    path("token/refresh", api.TokenRefreshView.as_view(), name="api-token-refresh"),
    path("me", api.MeView.as_view(), name="api-me"),
    path("balances", api.BalancesView.as_view(), name="api-balances"),
    path("ledger", api.LedgerView.as_view(), name="api-ledger"),
    path("notifications", api.NotificationsView.as_view(), name="api-notifications"),
    path("notifications/read", api.NotificationsReadView.as_view(), name="api-notifications-read"),
]
