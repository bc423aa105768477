from django.apps import AppConfig


class MarketConfig(AppConfig):
    name = "market"

    def ready(self) -> None:
        from market.projections import MarketProjection
        from market.stream_channels import register_provider
        from market.stream_public import PublicChannels
        from orderbook.projections import register

        register(MarketProjection())
        register_provider(PublicChannels())
