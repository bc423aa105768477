from django.apps import AppConfig


class TradingConfig(AppConfig):
    name = "trading"

    def ready(self) -> None:
        from market.stream_channels import (
            register_authenticator,
            register_disconnect_action,
            register_provider,
        )
        from orderbook.projections import register
        from trading.disconnects import cancel_after_disconnect
        from trading.projections import TradingProjection
        from trading.stream_private import PrivateChannels, authenticate

        register(TradingProjection())
        register_provider(PrivateChannels())
        register_authenticator(authenticate)
        register_disconnect_action(cancel_after_disconnect)
