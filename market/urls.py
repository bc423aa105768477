"""Pages."""

from django.urls import path

from market import pages

urlpatterns = [path("markets/", pages.market_list, name="markets")]
