"""Four eyes in the admin site: asking for busts, credits and debits, and deciding on them."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from accounts import presentation, selectors
from accounts.models import User
from market import instruments
from orderbook.admin import ReadOnlyAdmin
from orderbook.core.events import Trade
from orderbook.errors import VenueError
from orderbook.explanation.amounts import Amounts
from orderbook.operator_pages import operator_page
from trading import operator_requests
from trading.errors import TradeNotInJournal
from trading.models import Fill, OperatorRequest
from trading.operator_requests import MAX_REASON_LENGTH

_State = OperatorRequest.State
DECISIONS = ("approve", "refuse", "carry-out")


class ReasonForm(forms.Form):
    reason = forms.CharField(
        max_length=MAX_REASON_LENGTH, help_text="For the other operator and the audit record."
    )


class CreditForm(ReasonForm):
    """Fields of ``operator_requests.request_credit``, which checks what the rules are."""

    asset = forms.ChoiceField()
    amount = forms.CharField(
        max_length=40, help_text="A decimal number; begin with a minus to debit the account."
    )
    field_order = ("asset", "amount", "reason")

    def __init__(self, *args: Any, assets: list[str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choices = [(asset, asset) for asset in assets]
        self.fields["asset"].choices = choices  # type: ignore[attr-defined]


def trade_lines(trade: Trade) -> list[str]:
    """A trade in words, for whoever asks for its bust or approves it."""
    text = Amounts(instruments.lookup(trade.symbol))
    maker = f"order {trade.maker_order_id} of account {trade.maker_account_id}"
    taker = f"order {trade.taker_order_id} of account {trade.taker_account_id}"
    return [
        f"Trade {trade.trade_id} on {trade.symbol}: {text.quantity(trade.quantity_lots)} "
        f"at {text.price(trade.price_ticks)}, {text.quote(trade.quote_minor)} in all.",
        f"Maker: {maker}. Taker: {taker}, {trade.taker_side.value}.",
        "Both sides and the fee account give back what they received, fees included. It fails "
        "where one of them no longer has it available. Prices, statistics and orders stay.",
    ]


@admin.register(OperatorRequest)
class OperatorRequestAdmin(ReadOnlyAdmin):
    list_display = ("id", "requested_at", "kind", "about", "state", "requested_by", "decided_by")
    list_filter = ("state", "kind")
    search_fields = ("reason", "requested_by__username", "trade_id__exact")
    search_help_text = "Part of a reason or of a name, or a trade id."
    ordering = ("-id",)
    list_select_related = ("requested_by", "decided_by")
    fields = (
        "kind",
        "what",
        "reason",
        "state",
        "requested_by",
        "requested_at",
        "decided_by",
        "decided_at",
        "sequence",
        "failure",
    )
    change_form_template = "admin/trading/operatorrequest/change_form.html"

    def about(self, row: OperatorRequest) -> str:
        if row.kind == OperatorRequest.Kind.BUST:
            return f"trade {row.trade_id} on {row.payload['symbol']}"
        payload = row.payload
        return f"{payload['amount']} {payload['asset']}, account {payload['account_id']}"

    @admin.display(description="what it does")
    def what(self, row: OperatorRequest) -> SafeString:
        if row.kind != OperatorRequest.Kind.BUST:
            return format_html("{}", _credit_line(row))
        try:
            trade = operator_requests.journaled_trade(row.trade_id or 0, row.payload["sequence"])
        except TradeNotInJournal as error:
            return format_html("{}", error.message)
        return format_html_join("", "<p>{}</p>", ((line,) for line in trade_lines(trade)))

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [
            path("bust/<int:fill_id>/", wrap(self.bust), name="trading_operatorrequest_bust"),
            path("credit/<int:user_id>/", wrap(self.credit), name="trading_operatorrequest_credit"),
            path(
                "<int:request_id>/<str:decision>/decide/",
                wrap(self.decide),
                name="trading_operatorrequest_decide",
            ),
            *super().get_urls(),
        ]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        row = self.get_object(request, object_id)
        decisions = _decisions(row, _actor(request)) if row is not None else []
        context = {**(extra_context or {}), "decisions": decisions}
        return super().change_view(request, object_id, form_url, context)

    def bust(self, request: HttpRequest, fill_id: int) -> HttpResponse:
        """The fill only says where the journal has the trade."""
        if not request.user.has_perm(operator_requests.REQUEST_BUST):
            raise PermissionDenied
        fill = get_object_or_404(Fill, pk=fill_id)
        try:
            trade = operator_requests.journaled_trade(fill.trade_id, fill.sequence)
        except TradeNotInJournal as error:
            raise Http404 from error

        def carry_out(data: dict[str, Any]) -> str:
            asked = operator_requests.request_bust(
                actor=_actor(request),
                trade_id=fill.trade_id,
                sequence=fill.sequence,
                reason=data["reason"],
            )
            return f"Request {asked.pk} waits for another operator."

        return operator_page(
            request,
            self,
            title=f"Ask for the bust of trade {fill.trade_id}",
            form=ReasonForm(request.POST if request.method == "POST" else None),
            describe=lambda data: [
                *trade_lines(trade),
                f"Reason: {data['reason']}",
                "Another operator decides.",
            ],
            carry_out=carry_out,
            back=reverse("admin:trading_operatorrequest_changelist"),
            intro=tuple(trade_lines(trade)),
        )

    def credit(self, request: HttpRequest, user_id: int) -> HttpResponse:
        if not request.user.has_perm(operator_requests.REQUEST_CREDIT):
            raise PermissionDenied
        user = get_object_or_404(User, pk=user_id)
        whose = f"{user.get_username()} (account {user.pk})"

        def describe(data: dict[str, Any]) -> list[str]:
            verb = "Debit" if data["amount"].startswith("-") else "Credit"
            amount = f"{data['amount'].removeprefix('-')} {data['asset']}"
            return [f"{verb} {whose}: {amount}.", f"Reason: {data['reason']}",
                    "Another operator decides."]  # fmt: skip

        def carry_out(data: dict[str, Any]) -> str:
            asked = operator_requests.request_credit(
                actor=_actor(request), account_id=user.pk, **data
            )
            return f"Request {asked.pk} waits for another operator."

        return operator_page(
            request,
            self,
            title=f"Ask for a credit or debit of {user.get_username()}",
            form=CreditForm(
                request.POST if request.method == "POST" else None,
                assets=list(selectors.asset_decimals()),
            ),
            describe=describe,
            carry_out=carry_out,
            back=reverse("admin:accounts_user_change", args=[user.pk]),
            intro=tuple(_balance_lines(user)),
        )

    def decide(self, request: HttpRequest, request_id: int, decision: str) -> HttpResponse:
        """By POST only: the request's own page has said what it does."""
        if request.method != "POST" or decision not in DECISIONS:
            raise PermissionDenied
        if not self.has_view_permission(request):
            raise PermissionDenied
        row = get_object_or_404(OperatorRequest, pk=request_id)
        act = {
            "approve": operator_requests.approve,
            "refuse": operator_requests.refuse,
            "carry-out": operator_requests.carry_out,
        }[decision]
        try:
            act(row, _actor(request))
        except VenueError as error:
            messages.error(request, error.message)
        else:
            level = messages.ERROR if row.state == _State.FAILED else messages.SUCCESS
            outcome = f"{_State(row.state).label}. {row.failure}".rstrip()
            messages.add_message(request, level, f"Request {row.pk}: {outcome}")
        return redirect("admin:trading_operatorrequest_change", row.pk)


def _decisions(row: OperatorRequest, actor: User) -> list[tuple[str, str]]:
    """(address, words) of what this operator may do with the request now."""
    may_approve = actor.has_perm(operator_requests.APPROVE)
    is_own = row.requested_by_id == actor.pk
    names: list[tuple[str, str]] = []
    if row.state == _State.REQUESTED:
        if may_approve and not is_own:
            names.append(("approve", "Approve and carry out"))
        if may_approve or is_own:
            names.append(("refuse", "Take back" if is_own else "Refuse"))
    elif row.state == _State.APPROVED and may_approve:
        names.append(("carry-out", "Carry out"))
    return [
        (reverse("admin:trading_operatorrequest_decide", args=[row.pk, name]), words)
        for name, words in names
    ]


def _credit_line(row: OperatorRequest) -> str:
    payload = row.payload
    user = User.objects.filter(pk=payload["account_id"]).first()
    name = f" ({user.get_username()})" if user is not None else ""
    kind = row.get_kind_display()
    return f"{kind} {payload['account_id']}{name}: {payload['amount']} {payload['asset']}."


def _balance_lines(user: User) -> list[str]:
    lines = [
        f"{one['asset']}: {one['available']} available, {one['held']} in orders."
        for one in presentation.balance_texts(selectors.balances_of(user.pk))
    ]
    return lines or ["The account holds nothing."]


def _actor(request: HttpRequest) -> User:
    assert isinstance(request.user, User)
    return request.user
