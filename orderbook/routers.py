"""Sends the journal's tables to the journal's database, those of market data from outside to the
feeds' one, every other table to the default one."""

from typing import Any

from django.conf import settings
from django.db.models import Model

JOURNAL_MODELS = frozenset({"journalbatch", "snapshot", "epoch"})
FEEDS_APP = "feeds"


class JournalRouter:
    def _alias(self, app_label: str, model_name: str | None) -> str:
        if app_label == "orderbook" and model_name in JOURNAL_MODELS:
            return settings.JOURNAL_DATABASE
        if app_label == FEEDS_APP:
            return settings.FEEDS_DATABASE
        return "default"

    def db_for_read(self, model: type[Model], **hints: Any) -> str:
        return self._alias(model._meta.app_label, model._meta.model_name)

    db_for_write = db_for_read

    def allow_migrate(
        self, db: str, app_label: str, model_name: str | None = None, **hints: Any
    ) -> bool:
        return db == self._alias(app_label, model_name)
