"""Instruments in the admin site, changed by commands to the engine; trades and candles to read."""

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse

from market import instruments, services
from market.admin_controls import InstrumentControls
from market.errors import UnknownSymbol
from market.formatting import formatter, market_resource
from market.forms import NewInstrumentForm, RulesForm
from market.models import Candle, Instrument, PublicTrade
from orderbook.admin import ReadOnlyAdmin, utc
from orderbook.core.units import InstrumentStatus
from orderbook.errors import VenueError
from orderbook.operator_pages import show_error

MAX_SWITCHED_AT_ONCE = 100
"""Most instruments whose phase one use of an action changes."""
FORM_TEMPLATE = "admin/market/instrument/form.html"


@admin.register(Instrument)
class InstrumentAdmin(InstrumentControls):
    """The rows are a projection; the pages below never save one."""

    list_display = (
        "symbol", "status_now", "tick_size", "lot_size", "min_notional", "maker_fee", "taker_fee",
    )  # fmt: skip
    list_filter = ("status",)
    search_fields = ("symbol",)
    actions = ("halt", "cancel_only", "resume")

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        if not self.has_add_permission(request):
            raise PermissionDenied
        form = NewInstrumentForm(
            request.POST or None,
            initial={"maker_fee_ppm": 800, "taker_fee_ppm": 1_000, "max_notional": "0"},
        )
        if request.method == "POST" and form.is_valid():
            try:
                services.add_instrument(form.units(), form.rules(), _actor(request))
            except VenueError as error:
                show_error(error, form)
            else:
                messages.success(request, f"{form.units().symbol} has been added.")
                return redirect("admin:market_instrument_changelist")
        return self._form_page(request, "Add instrument", form)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        if not self.has_view_or_change_permission(request):
            raise PermissionDenied
        try:
            definition = instruments.lookup(object_id)
        except UnknownSymbol as error:
            raise Http404 from error
        rules = services.rules_of(definition)
        form = RulesForm(
            request.POST or None, initial={**rules._asdict(), "status": rules.status.value}
        )
        if request.method == "POST" and form.is_valid():
            if not self.has_change_permission(request):
                raise PermissionDenied
            try:
                services.change_rules(object_id, form.rules(), _actor(request))
            except VenueError as error:
                show_error(error, form)
            else:
                messages.success(request, f"{object_id} has been changed.")
                return redirect("admin:market_instrument_changelist")
        return self._form_page(request, f"Change {object_id}", form, market_resource(definition))

    def _form_page(
        self, request: HttpRequest, title: str, form: RulesForm, market: Any = None
    ) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            "title": title,
            "form": form,
            "market": market,
            "may_save": market is None or self.has_change_permission(request),
            "controls": [] if market is None else self.control_links(request, market["symbol"]),
            "opts": self.model._meta,
        }
        return TemplateResponse(request, FORM_TEMPLATE, context)

    @admin.action(description="Halt: take no new orders", permissions=["change"])
    def halt(self, request: HttpRequest, queryset: QuerySet[Instrument]) -> None:
        self._switch(request, queryset, InstrumentStatus.HALTED)

    @admin.action(description="Cancel only", permissions=["change"])
    def cancel_only(self, request: HttpRequest, queryset: QuerySet[Instrument]) -> None:
        self._switch(request, queryset, InstrumentStatus.CANCEL_ONLY)

    @admin.action(description="Resume trading", permissions=["change"])
    def resume(self, request: HttpRequest, queryset: QuerySet[Instrument]) -> None:
        self._switch(request, queryset, InstrumentStatus.TRADING)

    def _switch(
        self, request: HttpRequest, queryset: QuerySet[Instrument], status: InstrumentStatus
    ) -> None:
        symbols = list(queryset.values_list("symbol", flat=True)[: MAX_SWITCHED_AT_ONCE + 1])
        if len(symbols) > MAX_SWITCHED_AT_ONCE:
            messages.error(request, f"Choose at most {MAX_SWITCHED_AT_ONCE} at once.")
            return
        for symbol in symbols:
            try:
                services.set_status(symbol, status, _actor(request))
            except VenueError as error:
                messages.error(request, f"{symbol}: {error.message}")
            else:
                messages.success(request, f"{symbol} is {status.value} now.")

    def _resource(self, row: Instrument) -> dict[str, Any]:
        """The newest definition, which the row may lag by a moment."""
        return market_resource(instruments.lookup(row.symbol))

    @admin.display(description="status")
    def status_now(self, row: Instrument) -> str:
        return str(self._resource(row)["status"])

    def tick_size(self, row: Instrument) -> str:
        return str(self._resource(row)["tick_size"])

    def lot_size(self, row: Instrument) -> str:
        return str(self._resource(row)["lot_size"])

    def min_notional(self, row: Instrument) -> str:
        return str(self._resource(row)["min_notional"])

    def maker_fee(self, row: Instrument) -> str:
        return str(self._resource(row)["maker_fee"])

    def taker_fee(self, row: Instrument) -> str:
        return str(self._resource(row)["taker_fee"])


class SymbolFilter(admin.SimpleListFilter):
    """Knows the symbols, instead of asking a long table for its distinct values."""

    title = parameter_name = "symbol"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        known = instruments.all_instruments()
        return [(instrument.symbol, instrument.symbol) for instrument in known]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(symbol=self.value()) if self.value() else queryset


class PriceAdmin(ReadOnlyAdmin):
    """Rows with a symbol; shows ticks and lots as decimals."""

    list_filter = (SymbolFilter,)
    search_fields = ("symbol__exact",)
    search_help_text = "A symbol."

    def _price(self, row: Any, price_ticks: int) -> str:
        return formatter(instruments.lookup(row.symbol)).price(price_ticks)

    def _quantity(self, row: Any, quantity_lots: int) -> str:
        return formatter(instruments.lookup(row.symbol)).quantity(quantity_lots)


@admin.register(PublicTrade)
class PublicTradeAdmin(PriceAdmin):
    list_display = ("trade_id", "symbol", "time", "taker_side", "price", "quantity", "sequence")
    fields = list_display
    ordering = ("-trade_id",)

    @admin.display(description="time (UTC)")
    def time(self, row: PublicTrade) -> str:
        return utc(row.time_ns)

    def price(self, row: PublicTrade) -> str:
        return self._price(row, row.price_ticks)

    def quantity(self, row: PublicTrade) -> str:
        return self._quantity(row, row.quantity_lots)


@admin.register(Candle)
class CandleAdmin(PriceAdmin):
    list_display = (
        "symbol", "interval_s", "time", "open", "high", "low", "close", "volume", "trade_count",
    )  # fmt: skip
    fields = list_display
    list_filter = (*PriceAdmin.list_filter, "interval_s")  # type: ignore[assignment]
    ordering = ("-id",)

    @admin.display(description="open time (UTC)")
    def time(self, row: Candle) -> str:
        return utc(row.open_time_ns)

    def open(self, row: Candle) -> str:
        return self._price(row, row.open_ticks)

    def high(self, row: Candle) -> str:
        return self._price(row, row.high_ticks)

    def low(self, row: Candle) -> str:
        return self._price(row, row.low_ticks)

    def close(self, row: Candle) -> str:
        return self._price(row, row.close_ticks)

    def volume(self, row: Candle) -> str:
        return self._quantity(row, row.volume_lots)


def _actor(request: HttpRequest) -> Any:
    return request.user
