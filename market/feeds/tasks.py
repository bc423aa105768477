"""Jobs beside the venue; each is safe to run again."""

from celery import shared_task
from django.conf import settings

from market.feeds.storage import retention


@shared_task
def prune_feeds() -> int:
    """Deletes stored days that are older than FEEDS_KEEP_DAYS; returns how many."""
    return len(retention.prune(retention.expired(settings.FEEDS_KEEP_DAYS)))
