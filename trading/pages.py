"""The trade page, its form posts and own orders. Thin: services write, selectors read.

Every post works as a plain form and as an htmx request: the first is answered with a redirect, the
second with the fragment that changed.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_http_methods, require_POST, require_safe
from django_htmx.http import HttpResponseClientRedirect

from accounts.errors import TradingNotAllowed
from accounts.roles import require_trading
from market import instruments
from market.pages import view_from_thread
from market.session_text import rules_text
from market.values import CANDLE_INTERVALS_S
from orderbook.core.events import InstrumentDefined
from orderbook.errors import InvalidInput, NotFound, VenueError
from orderbook.gateway.pagination import PageRequest, decode_cursor
from trading import selectors, services
from trading.amend_form import AmendForm, amend_form, amend_from_form, form_of
from trading.order_entry import SIDES, Reference
from trading.order_state import STATUSES
from trading.panels import account_context, market_context
from trading.presentation import STATUS_WORDS, fill_row, order_row, units_text
from trading.ticket import (
    FORCE_WORDS,
    KINDS,
    POST_ONLY_WORDS,
    SELF_TRADE_CHOICES,
    Ticket,
    blank_ticket,
    place_from_form,
)

ORDERS_PER_PAGE = 50
FILLS_OF_ORDER = 200
"""Most fills that an order's page lists."""
MAX_ORDER_ID = 2**63 - 1
T = TypeVar("T")
View = Callable[..., HttpResponse]


def _account_id(request: HttpRequest) -> int:
    account_id = request.user.pk
    assert isinstance(account_id, int)
    return account_id


def _signed_in(view: View) -> View:
    """As login_required; an htmx request, whose redirects nobody sees, moves the whole page."""

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if request.headers.get("HX-Request") and not request.user.is_authenticated:
            login = redirect_to_login(_next_page(request)).headers["Location"]
            return HttpResponseClientRedirect(login)
        return login_required(view)(request, *args, **kwargs)

    return guarded


def _or_404(read: Callable[[], T]) -> T:
    try:
        return read()
    except NotFound:
        raise Http404 from None


def _instrument(symbol: str) -> InstrumentDefined:
    return _or_404(lambda: instruments.lookup(symbol))


# -- the trade page -------------------------------------------------------------------------------


@require_safe
def trade_home(request: HttpRequest) -> HttpResponse:
    """The first market; the list where there is none."""
    known = instruments.all_instruments()
    return redirect("trading:trade", known[0].symbol) if known else redirect("/markets/")


@require_safe
def trade(request: HttpRequest, symbol: str) -> HttpResponse:
    ticket = blank_ticket(request.GET.get("side", ""), request.GET.get("kind", ""))
    return _trade_page(request, _instrument(symbol), ticket)


def _trade_page(
    request: HttpRequest, instrument: InstrumentDefined, ticket: Ticket
) -> HttpResponse:
    context = market_context(view_from_thread(instrument.symbol), instrument)
    if request.user.is_authenticated:
        context |= account_context(_account_id(request), instrument)
    context |= _ticket_context(instrument, ticket)
    context["symbols"] = [known.symbol for known in instruments.all_instruments()]
    context["rules"] = rules_text(instrument)
    context["intervals"] = list(CANDLE_INTERVALS_S)
    return render(request, "trading/trade.html", context, status=ticket.status)


def _ticket_context(instrument: InstrumentDefined, ticket: Ticket) -> dict[str, Any]:
    return {
        "instrument": instrument,
        "units": units_text(instrument),
        "ticket": ticket,
        "kinds": KINDS,
        "forces": FORCE_WORDS,
        "post_only_choices": POST_ONLY_WORDS,
        "self_trade_choices": SELF_TRADE_CHOICES,
    }


@_signed_in
@require_POST
def place(request: HttpRequest, symbol: str) -> HttpResponse:
    refusal = _refusal_to_trade(request)
    if refusal is not None:
        return refusal
    instrument = _instrument(symbol)
    ticket = place_from_form(_account_id(request), instrument.symbol, request.POST)
    if request.headers.get("HX-Request"):
        context = _ticket_context(instrument, ticket)
        return render(request, "trading/partials/ticket.html", context, status=ticket.status)
    if ticket.errors:
        return _trade_page(request, instrument, ticket)
    messages.success(request, ticket.result)
    response = redirect("trading:trade", instrument.symbol)
    response["Location"] += f"?side={ticket.side}&kind={ticket.kind}"
    return response


# -- cancels --------------------------------------------------------------------------------------


@_signed_in
@require_POST
def cancel(request: HttpRequest, order_id: int) -> HttpResponse:
    if order_id > MAX_ORDER_ID:
        raise Http404
    reference = Reference(order_id)
    return _answer_cancel(
        request,
        lambda: services.cancel_order_blocking(_account_id(request), reference),
        lambda _: f"Order {order_id} was canceled.",
    )


@_signed_in
@require_POST
def cancel_all(request: HttpRequest) -> HttpResponse:
    symbol = request.POST.get("symbol", "")
    side = SIDES.get(request.POST.get("side", ""))
    where = f"on {_instrument(symbol).symbol}" if symbol else "on every market"
    what = f"{side.value} orders" if side else "orders"
    return _answer_cancel(
        request,
        lambda: services.cancel_all_blocking(_account_id(request), symbol, side),
        lambda canceled: f"{len(canceled)} {what} {where} were canceled.",
    )


def _answer_cancel(
    request: HttpRequest, act: Callable[[], T], say: Callable[[T], str]
) -> HttpResponse:
    """To htmx nothing (sockets bring the news) or the error's words; else back to the page."""
    try:
        done, error = say(act()), None
    except VenueError as refusal:
        done, error = "", refusal
    if request.headers.get("HX-Request"):
        if error is None:
            return HttpResponse(status=204)
        return _words(error)
    if error is None:
        messages.success(request, done)
    else:
        messages.error(request, error.message)
    return redirect(_next_page(request))


def _words(error: VenueError) -> HttpResponse:
    """The error as the live page shows it: beside no field."""
    return HttpResponse(
        error.message, status=int(error.status), content_type="text/plain; charset=utf-8"
    )


def _next_page(request: HttpRequest) -> str:
    target = request.POST.get("next", "")
    allowed = url_has_allowed_host_and_scheme(
        target, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    return target if allowed else "/orders/"


# -- own orders -----------------------------------------------------------------------------------


@login_required
@require_safe
def order_list(request: HttpRequest) -> HttpResponse:
    known = [instrument.symbol for instrument in instruments.all_instruments()]
    chosen = {
        "symbol": _one_of(request, "symbol", known),
        "status": _one_of(request, "status", STATUSES),
        "side": _one_of(request, "side", tuple(SIDES)),
    }
    page = selectors.orders_of(
        _account_id(request), PageRequest(ORDERS_PER_PAGE, _cursor(request)), **chosen
    )
    filters = request.GET.copy()
    filters.pop("cursor", None)
    context = {
        "orders": [order_row(order, _instrument(order.symbol)) for order in page.results],
        "next_cursor": page.next,
        "is_first": "cursor" not in request.GET,
        "filters": filters.urlencode(),
        "chosen": chosen,
        "symbols": known,
        "statuses": [(status, STATUS_WORDS[status]) for status in STATUSES],
    }
    return render(request, "trading/orders.html", context)


def _one_of(request: HttpRequest, name: str, choices: Any) -> str | None:
    """A filter's value; one that no link of the page has made is left out."""
    value = request.GET.get(name, "")
    return value if value in choices else None


def _cursor(request: HttpRequest) -> tuple[int, ...] | None:
    try:
        return decode_cursor(request.GET["cursor"]) if "cursor" in request.GET else None
    except InvalidInput:
        raise Http404 from None


@login_required
@require_safe
def order_detail(request: HttpRequest, order_id: int) -> HttpResponse:
    return _order_page(request, order_id)


def _order_page(
    request: HttpRequest, order_id: int, amend_form: AmendForm | None = None
) -> HttpResponse:
    if order_id > MAX_ORDER_ID:
        raise Http404
    account_id = _account_id(request)
    order = _or_404(lambda: selectors.order_of(account_id, Reference(order_id)))
    instrument = _instrument(order.symbol)
    fills = selectors.fills_of(account_id, PageRequest(FILLS_OF_ORDER), order_id=order.id)
    amend_form = amend_form or form_of(order, instrument)
    context = {
        "order": order_row(order, instrument),
        "instrument": instrument,
        "legs": [order_row(leg, instrument) for leg in selectors.list_of(order)],
        "fills": [fill_row(fill, instrument) for fill in fills.results],
        "more_fills": fills.next is not None,
        "amend": amend_form,
    }
    return render(request, "trading/order.html", context, status=amend_form.status)


# -- amends ---------------------------------------------------------------------------------------


@_signed_in
@require_http_methods(["GET", "HEAD", "POST"])
def amend(request: HttpRequest, order_id: int) -> HttpResponse:
    """GET: the form, for the trade page. POST: amends."""
    if order_id > MAX_ORDER_ID:
        raise Http404
    if request.method != "POST":
        form = _or_404(lambda: amend_form(_account_id(request), order_id))
        return _amend_fragment(request, form)
    refusal = _refusal_to_trade(request)
    if refusal is not None:
        return refusal
    form = _or_404(lambda: amend_from_form(_account_id(request), order_id, request.POST))
    if request.headers.get("HX-Request"):
        return _amend_fragment(request, form)
    if not form.result:
        return _order_page(request, order_id, form)
    messages.success(request, form.result)
    return redirect(_next_page(request))


def _amend_fragment(request: HttpRequest, form: AmendForm) -> HttpResponse:
    if not form.fields and not form.result and not form.error:
        form = form._replace(error="This order can no longer be amended.")
    context = {"amend": form, "is_live": True}
    return render(request, "trading/partials/amend.html", context, status=form.status)


def _refusal_to_trade(request: HttpRequest) -> HttpResponse | None:
    """The answer to who may look but not trade; None to who may."""
    try:
        require_trading(request.user)
    except TradingNotAllowed as refusal:
        if request.headers.get("HX-Request"):
            return _words(refusal)
        raise PermissionDenied(refusal.message) from refusal
    return None
