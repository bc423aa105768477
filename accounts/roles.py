"""The venue's roles, trader and admin: groups with permissions, made whenever tables are migrated.

A member of the admin role may enter the admin site. Only a superuser may hand out roles.
"""

from typing import Any

from django.contrib.auth.models import AnonymousUser, Group, Permission
from django.db import router
from django.db.models import Exists, OuterRef, Q

from accounts.errors import TradingNotAllowed
from accounts.models import User

TRADER = "trader"
ADMIN = "admin"
TRADE = "accounts.trade"
"""The permission to place orders. Canceling needs none: who may trade no more can still leave."""
ADMIN_APPS = ("accounts", "market", "orderbook", "trading")
"""Not allauth's addresses: who may verify one could take over a superuser by a password reset."""
_TRADER_PERMISSIONS = Q(content_type__app_label="accounts", codename="trade")
_ADMIN_PERMISSIONS = (Q(content_type__app_label__in=ADMIN_APPS) & ~_TRADER_PERMISSIONS) | Q(
    content_type__app_label="auth", codename="view_group"
)
"""Not trading: who credits accounts should not also trade, unless the trader role is added."""


def after_migrate(sender: object, using: str, **_: Any) -> None:
    """Receiver of post_migrate."""
    if router.allow_migrate_model(using, Group) and router.allow_migrate_model(using, User):
        ensure_roles()


def ensure_roles() -> None:
    """Makes the groups and grants what they lack; takes nothing away that was added by hand."""
    for name, permissions in ((TRADER, _TRADER_PERMISSIONS), (ADMIN, _ADMIN_PERMISSIONS)):
        group, _ = Group.objects.get_or_create(name=name)
        group.permissions.add(*Permission.objects.filter(permissions))


def require_trading(user: User | AnonymousUser) -> None:
    """Raises TradingNotAllowed. For doors that have the user at hand; ``tokens`` does it for the
    others."""
    if not user.has_perm(TRADE):
        raise TradingNotAllowed


def may_trade() -> Q:
    """As ``has_perm(TRADE)`` of an active user, but a condition within a query for users."""
    app, codename = TRADE.split(".")
    directly = User.user_permissions.through.objects.filter(
        user=OuterRef("pk"), permission__codename=codename, permission__content_type__app_label=app
    )
    by_group = User.groups.through.objects.filter(
        user=OuterRef("pk"),
        group__permissions__codename=codename,
        group__permissions__content_type__app_label=app,
    )
    return Q(is_superuser=True) | Q(Exists(directly)) | Q(Exists(by_group))


def give_role(user: User, role: str) -> None:
    user.groups.add(Group.objects.get(name=role))
    follow_roles(user)


def withdraw_trading(user: User) -> bool:
    """Takes the trader role and the permission itself away; False where another role still gives
    the permission, or the user is a superuser."""
    user.groups.remove(*user.groups.filter(name=TRADER))
    user.user_permissions.remove(*user.user_permissions.filter(_TRADER_PERMISSIONS))
    return not User.objects.filter(may_trade(), pk=user.pk).exists()


def follow_roles(user: User) -> None:
    """Lets members of the admin role, and superusers, into the admin site; and nobody else."""
    is_staff = user.is_superuser or user.groups.filter(name=ADMIN).exists()
    if user.is_staff != is_staff:
        user.is_staff = is_staff
        user.save(update_fields=["is_staff"])
