"""Jobs beside the venue; each is safe to run again."""

from celery import shared_task

from accounts import reconciliation, selectors, services


@shared_task
def fund_new_traders() -> int:
    """Opens, closes and funds accounts that the engine could not be told about before."""
    return services.settle_pending()


@shared_task
def prune_notifications() -> int:
    return services.prune_notifications(selectors.MAX_NOTIFICATIONS_PER_ACCOUNT)


@shared_task
def reconcile() -> str:
    """The nightly comparison of tables, engine and deposits; the result is kept."""
    return reconciliation.reconcile_with_engine().result
