"""The instrument's pages for a running market: each asks, says what it would do, then does it."""

from collections.abc import Callable
from typing import Any, NamedTuple

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import URLPattern, path, reverse

from market import controls, instruments, services
from market.errors import UnknownSymbol
from orderbook.audit import Actor
from orderbook.core.events import InstrumentDefined
from orderbook.core.units import InstrumentStatus, Side
from orderbook.gateway.decimals import MAX_DECIMAL_LENGTH, price_to_ticks
from orderbook.operator_pages import operator_page

CHANGE = "market.change_instrument"
CANCEL_ANY = "trading.cancel_any_order"
MAX_TEXT_LENGTH = 2_000

PHASE_HELP = {
    InstrumentStatus.PRE_OPEN: "Limit orders are collected; nothing trades or is published.",
    InstrumentStatus.OPENING_AUCTION: "Limit orders are collected and an indicative price shown.",
    InstrumentStatus.TRADING: "Continuous trading; an auction, or a crossed book, uncrosses first.",
    InstrumentStatus.POST_ONLY: "Only orders that rest are taken; an auction is uncrossed first.",
    InstrumentStatus.CLOSING_AUCTION: "As the opening auction; leave it to closed to uncross.",
    InstrumentStatus.CANCEL_ONLY: "New orders are refused, cancels are allowed.",
    InstrumentStatus.HALTED: "As cancel only, announced as a halt. An auction is not uncrossed.",
    InstrumentStatus.CLOSED: "DAY orders expire; an auction is uncrossed first.",
}


class PhaseForm(forms.Form):
    phase = forms.ChoiceField(
        choices=[(status.value, status.value.replace("_", " ")) for status in InstrumentStatus],
        help_text="Leaving an auction for trading, post only or closed uncrosses it.",
    )


class ReferencePriceForm(forms.Form):
    price = forms.CharField(
        max_length=MAX_DECIMAL_LENGTH,
        help_text="In the quote asset; the static band lies around it. An uncross sets it, too.",
    )


class ScheduleForm(forms.Form):
    schedule = forms.CharField(
        required=False,
        max_length=MAX_TEXT_LENGTH,
        widget=forms.Textarea(attrs={"rows": 8}),
        help_text='A line for each phase: time (UTC) and phase, such as "08:00 opening_auction". '
        "Empty: no schedule.",
    )


class FeeTiersForm(forms.Form):
    tiers = forms.CharField(
        required=False,
        max_length=MAX_TEXT_LENGTH,
        widget=forms.Textarea(attrs={"rows": 8}),
        help_text="A line for each tier: volume of thirty days in the quote asset, maker and taker "
        'fee in parts per million, such as "1000000 500 900", from volume 0 up. A negative maker '
        "fee is a rebate. Empty: the instrument's flat fees.",
    )


class CancelForm(forms.Form):
    side = forms.ChoiceField(choices=[("", "both sides"), ("buy", "buys"), ("sell", "sells")],
                             required=False)  # fmt: skip


class _Page(NamedTuple):
    title: str
    permission: str
    form: type[forms.Form]
    describe: Callable[[InstrumentDefined, dict[str, Any]], list[str]]
    carry_out: Callable[[str, dict[str, Any], Actor], str]


def _describe_phase(instrument: InstrumentDefined, data: dict[str, Any]) -> list[str]:
    status = InstrumentStatus(data["phase"])
    return [
        f"{instrument.symbol} goes from {instrument.status.value} to {status.value} at once.",
        PHASE_HELP[status],
    ]


def _set_phase(symbol: str, data: dict[str, Any], actor: Actor) -> str:
    services.set_status(symbol, InstrumentStatus(data["phase"]), actor)
    return f"{symbol} is {instruments.lookup(symbol).status.value} now."


def _describe_price(instrument: InstrumentDefined, data: dict[str, Any]) -> list[str]:
    price_to_ticks(instrument, data["price"])
    band = "no static band"
    if instrument.static_band_ppm:
        band = f"a static band of {instrument.static_band_ppm} ppm around it"
    price = f"{data['price']} {instrument.quote}"
    return [f"The reference price of {instrument.symbol} becomes {price}, with {band}."]


def _set_price(symbol: str, data: dict[str, Any], actor: Actor) -> str:
    controls.set_reference_price(symbol, data["price"], actor)
    return f"The reference price of {symbol} is {data['price']} now."


def _describe_schedule(instrument: InstrumentDefined, data: dict[str, Any]) -> list[str]:
    lines = controls.schedule_text(controls.read_schedule(data["schedule"])).splitlines()
    if not lines:
        return [f"{instrument.symbol} has no schedule any more; its phase stays as it is."]
    return [f"Each day (UTC) {instrument.symbol} changes its phase at:", *lines]


def _set_schedule(symbol: str, data: dict[str, Any], actor: Actor) -> str:
    controls.set_schedule(symbol, data["schedule"], actor)
    return f"The schedule of {symbol} has been set."


def _describe_tiers(instrument: InstrumentDefined, data: dict[str, Any]) -> list[str]:
    tiers = controls.read_tiers(data["tiers"], instrument)
    if not tiers:
        return [f"{instrument.symbol} has its flat fees for every fill from now on."]
    return [f"Fees of {instrument.symbol} for every fill from now on:"] + [
        f"from {line.split()[0]} {instrument.quote}: maker {line.split()[1]} ppm, "
        f"taker {line.split()[2]} ppm"
        for line in controls.tiers_text(tiers, instrument).splitlines()
    ]


def _set_tiers(symbol: str, data: dict[str, Any], actor: Actor) -> str:
    controls.set_fee_tiers(symbol, data["tiers"], actor)
    return f"The fee tiers of {symbol} have been set."


def _describe_cancel(instrument: InstrumentDefined, data: dict[str, Any]) -> list[str]:
    which = {"buy": "buy orders", "sell": "sell orders"}.get(data["side"], "orders")
    return [f"Everybody's open {which} in {instrument.symbol} are canceled. There is no way back."]


def _cancel(symbol: str, data: dict[str, Any], actor: Actor) -> str:
    side = Side(data["side"]) if data["side"] else None
    count = controls.cancel_symbol(symbol, side, actor)
    return f"{count} {'order' if count == 1 else 'orders'} in {symbol} canceled."


PAGES = {
    "phase": _Page("Change phase", CHANGE, PhaseForm, _describe_phase, _set_phase),
    "reference-price": _Page(
        "Set reference price", CHANGE, ReferencePriceForm, _describe_price, _set_price
    ),
    "schedule": _Page("Set schedule", CHANGE, ScheduleForm, _describe_schedule, _set_schedule),
    "fee-tiers": _Page("Set fee tiers", CHANGE, FeeTiersForm, _describe_tiers, _set_tiers),
    "cancel-all": _Page("Cancel all orders", CANCEL_ANY, CancelForm, _describe_cancel, _cancel),
}


class InstrumentControls(admin.ModelAdmin):  # type: ignore[type-arg]
    """Adds the pages to an instrument's admin."""

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.control)
        address = path("<str:symbol>/control/<str:name>/", view, name="market_instrument_control")
        return [address, *super().get_urls()]

    def control(self, request: HttpRequest, symbol: str, name: str) -> HttpResponse:
        page = PAGES.get(name)
        if page is None:
            raise Http404
        if not request.user.has_perm(page.permission):
            raise PermissionDenied
        try:
            instrument = instruments.lookup(symbol)
        except UnknownSymbol as error:
            raise Http404 from error
        actor: Any = request.user
        initial = {"phase": instrument.status.value}
        if request.method != "POST":
            initial |= controls.present_values(instrument)
        return operator_page(
            request,
            self,
            title=f"{page.title}: {symbol}",
            form=page.form(request.POST if request.method == "POST" else None, initial=initial),
            describe=lambda data: page.describe(instrument, data),
            carry_out=lambda data: page.carry_out(symbol, data, actor),
            back=reverse("admin:market_instrument_change", args=[symbol]),
        )

    def control_links(self, request: HttpRequest, symbol: str) -> list[tuple[str, str]]:
        """(address, title) of the pages that the operator may use."""
        return [
            (reverse("admin:market_instrument_control", args=[symbol, name]), page.title)
            for name, page in PAGES.items()
            if request.user.has_perm(page.permission)
        ]
