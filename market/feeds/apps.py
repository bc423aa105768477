from django.apps import AppConfig


class FeedsConfig(AppConfig):
    name = "market.feeds"
    label = "feeds"
    verbose_name = "Market data feeds"

    def ready(self) -> None:
        from market.feeds.serving.channels import FeedChannels
        from market.stream_channels import register_provider

        register_provider(FeedChannels())
