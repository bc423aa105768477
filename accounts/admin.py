"""Accounts in the admin site: users and roles to manage, money to look at, audited actions.

A user who is closed here stays; users are never deleted, for their money and history remain.
"""

from typing import Any

from allauth.account.admin import EmailAddressAdmin as AllauthEmailAddressAdmin
from allauth.account.decorators import secure_admin_login
from allauth.account.models import EmailAddress
from django.contrib import admin, messages
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group
from django.core.exceptions import PermissionDenied
from django.db.models import OuterRef, Q, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from accounts import reconciliation, roles, selectors, services, tokens
from accounts.admin_controls import KILL_SWITCH, AccountControlsAdmin
from accounts.models import (
    EXTERNAL_ACCOUNT_ID,
    Asset,
    LedgerEntry,
    Notification,
    ReconciliationRun,
    User,
    Wallet,
)
from accounts.validators import has_control_characters
from orderbook import audit
from orderbook.admin import AuditedAdmin, ReadOnlyAdmin, utc
from orderbook.core.units import FEE_ACCOUNT_ID, MAX_ID
from orderbook.gateway.display import money_text

MAX_CHANGED_AT_ONCE = 100
"""Most rows that one use of an action changes."""
_NAMELESS = {FEE_ACCOUNT_ID: "fees", EXTERNAL_ACCOUNT_ID: "outside"}

# The venue's own page to sign in: it counts attempts.
admin.site.login = secure_admin_login(admin.site.login)  # type: ignore[method-assign]
admin.site.site_header = "Rialto"
admin.site.site_title = "Rialto"
admin.site.index_title = "Operations"
admin.site.site_url = "/markets/"
admin.site.unregister((Group, EmailAddress))


@admin.register(Group)
class GroupAdmin(AuditedAdmin, DjangoGroupAdmin):
    def audit_details(self, obj: Group) -> dict[str, Any]:
        return {"permissions": sorted(obj.permissions.values_list("codename", flat=True))}


@admin.register(EmailAddress)
class EmailAddressAdmin(AuditedAdmin, AllauthEmailAddressAdmin):  # type: ignore[misc]
    list_select_related = ("user",)
    search_help_text = "Part of an address or of a user's name."

    def make_verified(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        for address in queryset.filter(verified=False)[:MAX_CHANGED_AT_ONCE]:
            super().make_verified(request, EmailAddress.objects.filter(pk=address.pk))
            self._record(request, "verify", address, [])


@admin.register(User)
class UserAdmin(AccountControlsAdmin, AuditedAdmin, DjangoUserAdmin):  # type: ignore[type-arg]
    list_display = ("username", "email", "id", "is_active", "roles", "engine_status", "date_joined")
    list_filter = ("is_active", "groups", "is_superuser")
    search_fields = ("username", "email", "id__exact")
    search_help_text = "Part of a name or address, or an account id."
    actions = ("allow_trading", "withdraw_trading")
    ordering = ("id",)
    readonly_fields = ("is_staff", "engine_status", "funds_due", "last_login", "date_joined")
    fieldsets = (
        (None, {"fields": ("username", "password", "email", "notify")}),
        ("Engine", {"fields": ("is_active", "engine_status", "funds_due")}),
        ("Roles", {"fields": ("groups", "is_staff", "is_superuser", "user_permissions")}),
        ("Dates", {"fields": ("last_login", "date_joined")}),
    )
    add_fieldsets = (
        (None, {"fields": ("username", "email", "usable_password", "password1", "password2")}),
    )

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Operators of the venue cannot change each other: that is a superuser's."""
        if obj is not None and obj != request.user and not request.user.is_superuser:
            is_admin = obj.is_staff or obj.is_superuser or roles.ADMIN in selectors.roles_of(obj)
            if is_admin:
                return False
        return super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        fields = tuple(super().get_readonly_fields(request, obj))
        if request.user.is_superuser:
            return fields
        return (*fields, "groups", "is_superuser", "user_permissions")

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        """An account is opened or closed by the service, which tells the engine."""
        wanted = obj.is_active
        turned = change and "is_active" in form.changed_data
        if turned:
            obj.is_active = not wanted
        super().save_model(request, obj, form, change)
        if not change or "email" in form.changed_data:
            services.replace_email(obj, obj.email)
        if turned and not services.set_active(obj, active=wanted, actor=_actor(request)):
            messages.warning(request, "The engine cannot be reached now; it is told later.")

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        super().save_related(request, form, formsets, change)
        user: User = form.instance
        if not change:  # as everybody who signs up
            roles.give_role(user, roles.TRADER)
            services.settle_if_possible(user)
        roles.follow_roles(user)
        tokens.forget_user(user.pk)

    def audit_details(self, obj: User) -> dict[str, Any]:
        return {"roles": selectors.roles_of(obj), "is_superuser": obj.is_superuser}

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        return super().get_queryset(request).prefetch_related("groups")

    def roles(self, row: User) -> str:
        names = sorted(group.name for group in row.groups.all())
        return ", ".join(["superuser", *names] if row.is_superuser else names) or "none"

    @admin.action(description="Allow trading", permissions=["change"])
    def allow_trading(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        self._set_trading(request, queryset, allowed=True)

    @admin.action(description="Withdraw trading (open orders stay)", permissions=["change"])
    def withdraw_trading(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        self._set_trading(request, queryset, allowed=False)

    def _set_trading(
        self, request: HttpRequest, queryset: QuerySet[User], *, allowed: bool
    ) -> None:
        users = list(queryset.order_by("pk")[: MAX_CHANGED_AT_ONCE + 1])
        if len(users) > MAX_CHANGED_AT_ONCE:
            messages.error(request, f"Select at most {MAX_CHANGED_AT_ONCE}; nothing was changed.")
            return
        for user in users:
            if not self.has_change_permission(request, user):
                messages.error(request, f"{user}: only a superuser changes operators.")
            elif not services.set_trading(user, allowed=allowed, actor=_actor(request)):
                messages.warning(request, f"{user} may still trade, because of another role.")
            else:
                messages.success(request, f"{user} may {'' if allowed else 'not '}trade now.")

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        context = {
            **(extra_context or {}),
            "may_adjust": request.user.has_perm("accounts.adjust_balance"),
            "controls": self.control_links(request, object_id) if object_id.isdecimal() else [],
        }
        return super().change_view(request, object_id, form_url, context)

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        may_switch = request.user.has_perm(KILL_SWITCH)
        return super().changelist_view(request, {**(extra_context or {}), "may_switch": may_switch})


class OwnedRowsAdmin(ReadOnlyAdmin):
    """Rows of an account, found by numbers, by the owner, or by what ``text_query`` adds to it."""

    search_fields = ("account_id",)
    search_help_text = "An account id, or its user's name or e-mail address."

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        owner = User.objects.filter(pk=OuterRef("account_id")).values("username")[:1]
        rows: QuerySet[Any] = super().get_queryset(request).annotate(owner=Subquery(owner))
        return rows

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        term = search_term.strip()
        if not term:
            return queryset, False
        if has_control_characters(term):
            return queryset.none(), False
        query = self.text_query(term)
        if term.isascii() and term.isdigit() and len(term) <= len(str(MAX_ID)):
            number = int(term)
            if number <= MAX_ID:
                query |= self.number_query(number)
        return queryset.filter(query), False

    def number_query(self, number: int) -> Q:
        return Q(account_id=number)

    def text_query(self, text: str) -> Q:
        owners = User.objects.filter(Q(username__iexact=text) | Q(email__iexact=text))
        return Q(account_id__in=list(owners.values_list("pk", flat=True)))

    @admin.display(description="account", ordering="account_id")
    def account(self, row: Any) -> str:
        if row.owner is not None:
            address = reverse("admin:accounts_user_change", args=[row.account_id])
            return format_html('{} <a href="{}">{}</a>', row.account_id, address, row.owner)
        return f"{row.account_id} {_NAMELESS.get(row.account_id, '')}".rstrip()


class AssetFilter(admin.SimpleListFilter):
    """Asks the short table of assets, not the long one for its distinct values."""

    title = parameter_name = "asset"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        codes = Asset.objects.order_by("code").values_list("code", flat=True)
        return [(code, code) for code in codes]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(asset=self.value()) if self.value() else queryset


class MoneyAdmin(OwnedRowsAdmin):
    """Rows with an asset; shows amounts as decimals."""

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        decimals = Asset.objects.filter(pk=OuterRef("asset")).values("decimals")[:1]
        rows: QuerySet[Any] = super().get_queryset(request).annotate(decimals=Subquery(decimals))
        return rows


@admin.register(Wallet)
class WalletAdmin(MoneyAdmin):
    list_display = ("account", "asset", "available", "held", "sequence")
    fields = list_display
    list_filter = (AssetFilter,)
    ordering = ("account_id", "asset")

    def available(self, row: Any) -> str:
        return money_text(row.available_minor, row.decimals)

    @admin.display(description="in orders")
    def held(self, row: Any) -> str:
        return money_text(row.held_minor, row.decimals)


@admin.register(LedgerEntry)
class LedgerEntryAdmin(MoneyAdmin):
    list_display = ("id", "time", "account", "asset", "amount", "kind", "reference")
    fields = list_display
    list_filter = ("kind", AssetFilter)
    ordering = ("-id",)

    @admin.display(description="time (UTC)")
    def time(self, row: LedgerEntry) -> str:
        return utc(row.time_ns)

    def amount(self, row: Any) -> str:
        return money_text(row.amount_minor, row.decimals)


@admin.register(Notification)
class NotificationAdmin(OwnedRowsAdmin):
    list_display = ("id", "time", "account", "kind")
    fields = (*list_display, "data")
    list_filter = ("kind",)
    ordering = ("-id",)

    @admin.display(description="time (UTC)")
    def time(self, row: Notification) -> str:
        return utc(row.time_ns)


@admin.register(Asset)
class AssetAdmin(ReadOnlyAdmin):
    list_display = ("code", "decimals")


@admin.register(ReconciliationRun)
class ReconciliationRunAdmin(ReadOnlyAdmin):
    list_display = (
        "started_at",
        "result",
        "source",
        "sequence",
        "checked_count",
        "difference_count",
    )
    fields = (
        *list_display,
        "finished_at",
        "failure",
        "listed_differences",
    )
    list_filter = ("result", "source")
    ordering = ("-started_at", "-id")

    @admin.display(description="differences, in minor units")
    def listed_differences(self, row: ReconciliationRun) -> SafeString:
        line = "{what}: account {account_id}, {asset}: tables {tables_minor}, engine {engine_minor}"
        lines = [line.format(**difference) for difference in row.differences]
        return format_html("<pre>{}</pre>", "\n".join(lines) or "none")

    def get_urls(self) -> list[URLPattern]:
        run = path(
            "run/", self.admin_site.admin_view(self.run), name="accounts_reconciliationrun_run"
        )
        return [run, *super().get_urls()]

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        may_run = request.user.has_perm("accounts.run_reconciliation")
        return super().changelist_view(request, {**(extra_context or {}), "may_run": may_run})

    def run(self, request: HttpRequest) -> HttpResponse:
        """Runs here, not in a worker: whoever asks wants to see the result."""
        if request.method != "POST" or not request.user.has_perm("accounts.run_reconciliation"):
            raise PermissionDenied
        run = reconciliation.reconcile_with_engine()
        audit.record(_actor(request), "reconciliation.run", f"run {run.pk}", outcome=run.result)
        return redirect("admin:accounts_reconciliationrun_change", run.pk)


def _actor(request: HttpRequest) -> User:
    assert isinstance(request.user, User)
    return request.user
