from django.apps import AppConfig


class OrderbookConfig(AppConfig):
    name = "orderbook"
    verbose_name = "Exchange"
