"""Pages about the signed-in user: portfolio, notifications, profile."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts import presentation, selectors, services
from accounts.api import ledger_filter
from accounts.forms import ProfileForm
from accounts.models import LedgerEntry, User
from orderbook.errors import InvalidInput
from orderbook.gateway.pagination import PageRequest, page_request

PAGE_ROWS = 50


def _page(request: HttpRequest) -> PageRequest:
    return page_request(request.GET)._replace(limit=PAGE_ROWS)


def _user(request: HttpRequest) -> User:
    assert isinstance(request.user, User)
    return request.user


@login_required
@require_GET
def portfolio(request: HttpRequest) -> HttpResponse:
    user = _user(request)
    try:
        # A form sends its empty fields too.
        given = {name: value for name, value in request.GET.items() if value}
        only, page = ledger_filter(given), _page(request)
    except InvalidInput as error:
        raise BadRequest(error.message) from error
    balances = selectors.balances_of(user.pk)
    ledger = selectors.ledger_of(user.pk, page, only)
    context = {
        "balances": presentation.balance_texts(balances),
        "assets": [balance.asset for balance in balances],
        "entries": presentation.ledger_texts(ledger.results),
        "next_cursor": ledger.next,
        "kinds": LedgerEntry.Kind.choices,
        "only": only,
        "first_page": page.after is None,
    }
    return render(request, "accounts/portfolio.html", context)


@login_required
@require_GET
def notifications(request: HttpRequest) -> HttpResponse:
    user = _user(request)
    try:
        page = selectors.notifications_of(user, _page(request))
    except InvalidInput as error:
        raise BadRequest(error.message) from error
    context = {
        "notifications": presentation.notification_rows(user, page.results),
        "next_cursor": page.next,
    }
    return render(request, "accounts/notifications.html", context)


@login_required
@require_POST
def notifications_read(request: HttpRequest) -> HttpResponse:
    services.mark_notifications_read(_user(request))
    return redirect("notifications")


@login_required
@require_http_methods(["GET", "POST"])
def profile(request: HttpRequest) -> HttpResponse:
    user = _user(request)
    given = request.POST if request.method == "POST" else None
    form = ProfileForm(given, initial={"notify": user.notify})
    if request.method == "POST" and form.is_valid():
        services.set_notify(user, notify=form.cleaned_data["notify"])
        messages.success(request, "Your settings are saved.")
        return redirect("profile")
    context = {"form": form, "roles": selectors.roles_of(user)}
    return render(request, "accounts/profile.html", context)
