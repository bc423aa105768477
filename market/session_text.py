"""Phases, auctions and rules of an instrument as the pages show them. Pure: integers in."""

from decimal import Decimal
from typing import NamedTuple

from market.formatting import clock_text, formatter
from market.values import NS_PER_SECOND, MarketView
from orderbook.core.events import InstrumentDefined
from orderbook.core.units import PPM, InstrumentStatus
from orderbook.gateway.display import grouped, money_text


class AuctionText(NamedTuple):
    """What an auction that collects would do now."""

    price: str
    """Empty where nothing would trade."""
    volume: str
    imbalance: str
    imbalance_side: str
    """"buy" or "sell": the side that wants more than the other gives; "" where both are even."""


def auction_text(view: MarketView, instrument: InstrumentDefined) -> AuctionText | None:
    """None outside auctions."""
    if instrument.status not in AUCTIONS:
        return None
    session, form = view.session, formatter(instrument)
    if not session.price_ticks:
        return AuctionText("", form.quantity(0), form.quantity(0), "")
    imbalance = session.imbalance_lots
    return AuctionText(
        grouped(form.price(session.price_ticks)),
        grouped(form.quantity(session.volume_lots)),
        grouped(form.quantity(abs(imbalance))),
        "buy" if imbalance > 0 else "sell" if imbalance < 0 else "",
    )


_STATUS = {
    InstrumentStatus.PRE_OPEN: ("Pre-open", "warn"),
    InstrumentStatus.OPENING_AUCTION: ("Opening auction", "warn"),
    InstrumentStatus.TRADING: ("Trading", "good"),
    InstrumentStatus.POST_ONLY: ("Post only", "warn"),
    InstrumentStatus.CLOSING_AUCTION: ("Closing auction", "warn"),
    InstrumentStatus.CANCEL_ONLY: ("Cancel only", "warn"),
    InstrumentStatus.HALTED: ("Halted", "bad"),
    InstrumentStatus.CLOSED: ("Closed", "bad"),
}


AUCTIONS = (InstrumentStatus.OPENING_AUCTION, InstrumentStatus.CLOSING_AUCTION)
"""Phases that publish an indicative price."""
_PHASE_HINTS = {
    InstrumentStatus.PRE_OPEN: "Limit orders are collected; nothing trades yet.",
    InstrumentStatus.OPENING_AUCTION: "Limit orders are collected and trade together at one price.",
    InstrumentStatus.POST_ONLY: "Only orders that rest are taken.",
    InstrumentStatus.CLOSING_AUCTION: "Limit orders are collected and trade together at one price.",
    InstrumentStatus.CANCEL_ONLY: "Orders can be canceled only.",
    InstrumentStatus.HALTED: "Trading is halted; orders can be canceled.",
    InstrumentStatus.CLOSED: "Trading is over for the day; orders can be canceled.",
}


class PhaseText(NamedTuple):
    words: str
    badge: str
    """Class of the badge."""
    hint: str
    until: str
    """When it ends by itself, "12:30:00"; empty where that is not fixed."""


def phase_text(view: MarketView, instrument: InstrumentDefined) -> PhaseText:
    status, until_ns = instrument.status, view.session.until_ns
    words, badge = _STATUS[status]
    until = ""
    if until_ns and status is InstrumentStatus.OPENING_AUCTION:
        words, until = "Volatility auction", clock_text(until_ns)
    return PhaseText(words, badge, _PHASE_HINTS.get(status, ""), until)


def percent_text(ppm: int) -> str:
    """1000 -> "0.1%"."""
    whole, rest = divmod(ppm * 100, PPM)
    return f"{whole}.{rest:06d}".rstrip("0").rstrip(".") + "%"


def rules_text(instrument: InstrumentDefined) -> list[tuple[str, str]]:
    """Steps, limits and bands of an instrument, as (name, value)."""
    form = formatter(instrument)
    base, quote = instrument.base, instrument.quote
    smallest = money_text(instrument.min_notional_minor, instrument.quote_decimals)
    rules = [
        ("Price step", f"{form.price(1)} {quote}"),
        ("Quantity step", f"{form.quantity(1)} {base}"),
        ("Smallest order", f"{smallest} {quote}"),
        ("Largest quantity", f"{grouped(form.quantity(instrument.max_quantity_lots))} {base}"),
    ]
    if instrument.max_notional_minor:
        largest = money_text(instrument.max_notional_minor, instrument.quote_decimals)
        rules.append(("Largest order", f"{largest} {quote}"))
    if instrument.static_band_ppm:
        band = percent_text(instrument.static_band_ppm)
        rules.append(("Static band", f"{band} either way of the reference price"))
    if instrument.dynamic_band_ppm:
        band = percent_text(instrument.dynamic_band_ppm)
        rules.append(("Dynamic band", f"{band} either way of the last trade"))
    if instrument.pause_ns:
        pause_s = f"{Decimal(instrument.pause_ns) / NS_PER_SECOND:f}"
        rules.append(("Volatility auction", f"{pause_s} s where a trade would leave the band"))
    return rules
