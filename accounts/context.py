"""What every page shows of accounts."""

from typing import Any

from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from accounts import selectors
from accounts.models import User


def notifications(request: HttpRequest) -> dict[str, Any]:
    """``unread_count`` for the bell; nothing is read for pages that do not show it."""
    user = getattr(request, "user", None)
    if not isinstance(user, User):
        return {}
    return {"unread_count": SimpleLazyObject(lambda: selectors.unread_count(user))}
