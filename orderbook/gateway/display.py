"""Decimal strings as people read them: thousands apart, no zeros that say nothing. No float."""

from orderbook.gateway.decimals import minor_to_text

MONEY_PLACES = 2


def grouped(text: str) -> str:
    """A decimal string with thousands separators: "64250.10" -> "64,250.10"."""
    whole, dot, fraction = text.partition(".")
    sign = "-" if whole.startswith("-") else ""
    return f"{sign}{int(whole.lstrip('-')):,}{dot}{fraction}"


def money_text(minor: int, decimals: int) -> str:
    """Minor units as text, exactly, without trailing zeros beyond ``MONEY_PLACES``."""
    whole, dot, fraction = grouped(minor_to_text(minor, decimals)).partition(".")
    shown = fraction.rstrip("0").ljust(min(MONEY_PLACES, decimals), "0")
    return f"{whole}{dot}{shown}"
