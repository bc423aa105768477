from django.apps import AppConfig


class FeedsConfig(AppConfig):
    name = "market.feeds"
    label = "feeds"
    verbose_name = "Market data feeds"
