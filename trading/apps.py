from django.apps import AppConfig


class TradingConfig(AppConfig):
    name = "trading"

    def ready(self) -> None:
        from market.stream_channels import register_authenticator, register_provider
        from orderbook.projections import register
        from trading.projections import TradingProjection
        from trading.stream_private import PrivateChannels, authenticate

        register(TradingProjection())
        register_provider(PrivateChannels())
        register_authenticator(authenticate)
