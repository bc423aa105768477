"""The pages by which operators contain an account or stop the venue; each act is confirmed."""

from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path, reverse

from accounts import controls
from accounts.controls import VENUE, AccountControls
from accounts.models import User
from orderbook.core.units import MAX_OPEN_ORDERS, MAX_RATE, SelfTradePrevention
from orderbook.operator_pages import NothingAsked, operator_page

KILL_SWITCH = "trading.operate_kill_switch"
_PAGES = {
    "limits": ("Limits", "accounts.change_user"),
    "kill-switch": ("Kill switch", KILL_SWITCH),
    "cancel-all": ("Cancel all orders", "trading.cancel_any_order"),
}
_AWAY = "The engine cannot be reached now, so what holds is not known."


class LimitsForm(forms.Form):
    self_trade = forms.ChoiceField(
        label="Self-trade prevention",
        choices=[(rule.value, rule.value.replace("_", " ")) for rule in SelfTradePrevention],
        help_text="Of orders that do not say.",
    )
    max_open_orders = forms.IntegerField(
        min_value=0, max_value=MAX_OPEN_ORDERS, help_text="0: the venue's own limit."
    )
    orders_per_second = forms.IntegerField(
        min_value=0, max_value=MAX_RATE, help_text="New orders; 0: no limit."
    )
    messages_per_second = forms.IntegerField(
        min_value=0,
        max_value=MAX_RATE,
        help_text="Orders, amends and cancels; 0: no limit. Mass cancels always pass.",
    )


class AccountControlsAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """Adds the pages to the users' admin."""

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [
            path(
                "venue-kill-switch/",
                wrap(self.venue_kill_switch),
                name="accounts_user_venue_kill_switch",
            ),
            path(
                "<int:user_id>/control/<str:name>/",
                wrap(self.control),
                name="accounts_user_control",
            ),
            *super().get_urls(),
        ]

    def control_links(self, request: HttpRequest, user_id: str) -> list[tuple[str, str]]:
        """(address, title) of the pages that the operator may use."""
        return [
            (reverse("admin:accounts_user_control", args=[user_id, name]), title)
            for name, (title, permission) in _PAGES.items()
            if request.user.has_perm(permission)
        ]

    def control(self, request: HttpRequest, user_id: int, name: str) -> HttpResponse:
        if name not in _PAGES:
            raise Http404
        title, permission = _PAGES[name]
        if not request.user.has_perm(permission):
            raise PermissionDenied
        user = get_object_or_404(User, pk=user_id)
        title = f"{title}: {user.get_username()} (account {user.pk})"
        if name == "limits":
            return self._limits(request, user, title)
        if name == "kill-switch":
            back = reverse("admin:accounts_user_change", args=[user.pk])
            return self._kill_switch(request, user.pk, title, f"account {user.pk}", back)
        return self._cancel_all(request, user, title)

    def venue_kill_switch(self, request: HttpRequest) -> HttpResponse:
        if not request.user.has_perm(KILL_SWITCH):
            raise PermissionDenied
        back = reverse("admin:accounts_user_changelist")
        return self._kill_switch(request, VENUE, "Kill switch of the venue", "the venue", back)

    def _limits(self, request: HttpRequest, user: User, title: str) -> HttpResponse:
        now = controls.controls_of(user.pk)
        initial = (now or AccountControls())._asdict()
        initial["self_trade"] = initial["self_trade"].value

        def limits(data: dict[str, Any]) -> AccountControls:
            return AccountControls(
                **{**data, "self_trade": SelfTradePrevention(data["self_trade"])}
            )

        def describe(data: dict[str, Any]) -> list[str]:
            return [
                f"{name.replace('_', ' ')}: {initial[name]} becomes {value}"
                for name, value in data.items()
                if value != initial[name]
            ] or ["Nothing changes; the same values are set again."]

        def carry_out(data: dict[str, Any]) -> str:
            controls.set_limits(user.pk, limits(data), _actor(request))
            return f"The limits of account {user.pk} have been set."

        return operator_page(
            request,
            self,
            title=title,
            form=LimitsForm(_posted(request), initial=initial),
            describe=describe,
            carry_out=carry_out,
            back=reverse("admin:accounts_user_change", args=[user.pk]),
            intro=() if now is not None else (_AWAY,),
        )

    def _kill_switch(
        self, request: HttpRequest, account_id: int, title: str, whose: str, back: str
    ) -> HttpResponse:
        now = controls.controls_of(account_id)
        engaged = now is not None and (
            now.venue_kill_switch if account_id == VENUE else now.kill_switch
        )

        class SwitchForm(forms.Form):
            switch = forms.ChoiceField(
                choices=[("engage", "engage"), ("release", "release")],
                initial="release" if engaged else "engage",
                help_text="Engaged: all open orders are canceled, and new ones refused.",
            )

        def describe(data: dict[str, Any]) -> list[str]:
            if data["switch"] == "engage":
                return [f"Every open order of {whose} is canceled, and no new one is taken."]
            return [f"Orders of {whose} are taken again. Canceled ones do not come back."]

        def carry_out(data: dict[str, Any]) -> str:
            engage = data["switch"] == "engage"
            count = controls.set_kill_switch(account_id, _actor(request), engaged=engage)
            if not engage:
                return f"The kill switch of {whose} has been released."
            return f"The kill switch of {whose} is engaged; orders canceled: {count}."

        state = _AWAY if now is None else f"It is {'engaged' if engaged else 'not engaged'} now."
        return operator_page(
            request,
            self,
            title=title,
            form=SwitchForm(_posted(request)),
            describe=describe,
            carry_out=carry_out,
            back=back,
            intro=(state,),
        )

    def _cancel_all(self, request: HttpRequest, user: User, title: str) -> HttpResponse:
        def carry_out(data: dict[str, Any]) -> str:
            count = controls.cancel_all(user.pk, _actor(request))
            return f"Orders of account {user.pk} canceled: {count}."

        whose = f"{user.get_username()} (account {user.pk})"
        return operator_page(
            request,
            self,
            title=title,
            form=NothingAsked(_posted(request)),
            describe=lambda data: [f"Every open order of {whose} is canceled, in every market."],
            carry_out=carry_out,
            back=reverse("admin:accounts_user_change", args=[user.pk]),
        )


def _posted(request: HttpRequest) -> Any:
    return request.POST if request.method == "POST" else None


def _actor(request: HttpRequest) -> User:
    assert isinstance(request.user, User)
    return request.user
