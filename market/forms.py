"""The admin site's forms for instruments. They check shapes; the engine checks the rest."""

from typing import Any

from django import forms

from market.services import Rules, Units
from orderbook.core.units import (
    MAX_BAND_PPM,
    MAX_DECIMALS,
    MAX_FEE_PPM,
    MAX_PAUSE_NS,
    MAX_SYMBOL_LENGTH,
    SECOND_NS,
    InstrumentStatus,
)
from orderbook.gateway.decimals import MAX_DECIMAL_LENGTH


def _ppm() -> forms.IntegerField:
    return forms.IntegerField(
        min_value=0, max_value=MAX_FEE_PPM, help_text="Parts per million; 1000 is 0.1 %."
    )


def _decimal(help_text: str) -> forms.CharField:
    return forms.CharField(max_length=MAX_DECIMAL_LENGTH, help_text=help_text)


def _band(what: str) -> forms.IntegerField:
    return forms.IntegerField(
        min_value=0,
        max_value=MAX_BAND_PPM,
        initial=0,
        help_text=f"{what}: parts per million either way; 0: none.",
    )


def _places() -> forms.IntegerField:
    return forms.IntegerField(
        min_value=0,
        max_value=MAX_DECIMALS,
        required=False,
        help_text="Only for an asset that is new to the venue; it stays so for good.",
    )


class RulesForm(forms.Form):
    maker_fee_ppm = _ppm()
    taker_fee_ppm = _ppm()
    min_notional = _decimal("Least price times quantity of an order, in the quote asset.")
    max_quantity = _decimal("Largest quantity of an order, in the base asset.")
    status = forms.ChoiceField(
        choices=[(status.value, status.value.replace("_", " ")) for status in InstrumentStatus]
    )

    max_notional = _decimal("Most price times quantity of an order; 0: the venue's own limit.")
    static_band_ppm = _band("Around the reference price, for limit prices and trades")
    dynamic_band_ppm = _band("Around the last trade, for trades")
    pause_s = forms.IntegerField(
        label="Volatility pause",
        min_value=0,
        max_value=MAX_PAUSE_NS // SECOND_NS,
        initial=0,
        help_text="Seconds of the auction that a trade beyond the dynamic band sets off; 0: none.",
    )

    def rules(self) -> Rules:
        values: dict[str, Any] = {name: self.cleaned_data[name] for name in Rules._fields}
        return Rules(**{**values, "status": InstrumentStatus(values["status"])})


class NewInstrumentForm(RulesForm):
    symbol = forms.CharField(
        max_length=MAX_SYMBOL_LENGTH, help_text="BASE-QUOTE, such as BTC-USDT; fixed for good."
    )
    tick_size = _decimal("Price step, in the quote asset; fixed for good.")
    lot_size = _decimal("Quantity step, in the base asset; fixed for good.")
    base_decimals = _places()
    quote_decimals = _places()
    field_order = (*Units._fields, *Rules._fields)

    def units(self) -> Units:
        return Units(**{name: self.cleaned_data[name] for name in Units._fields})
