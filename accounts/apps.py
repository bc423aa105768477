from django.apps import AppConfig
from django.db.models.signals import post_migrate


class AccountsConfig(AppConfig):
    name = "accounts"
    verbose_name = "Users and money"

    def ready(self) -> None:
        from accounts import roles, schema  # noqa: F401  (describes the authentication)
        from accounts.projections import MoneyProjection, NotificationProjection
        from orderbook.projections import register

        register(MoneyProjection())
        register(NotificationProjection())
        # Every app's permissions appear in its own post_migrate, so this listens to all of them.
        post_migrate.connect(roles.after_migrate, dispatch_uid="accounts.roles")
