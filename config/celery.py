"""The Celery application: reports, alerts and reconciliation, never anything an order waits for."""

import logging.config
import os
from typing import Any

from celery import Celery
from celery.signals import setup_logging

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.embedded")

app = Celery("rialto")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@setup_logging.connect
def configure_logging(**_: Any) -> None:
    """Worker and beat log as the venue does, instead of Celery's own way."""
    from django.conf import settings

    logging.config.dictConfig(settings.LOGGING)
