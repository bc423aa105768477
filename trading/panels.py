"""What the trade page's panels show: contexts for the page, fragments for its sockets.

Public panels are pure functions of a ``MarketView``. Private ones read the database (sync code, any
thread) through the selectors, so that they show every acknowledged command.
"""

import time
from collections.abc import Sequence
from typing import Any, NamedTuple

from django.template.loader import render_to_string

from accounts import selectors as account_selectors
from accounts.models import Notification, User
from accounts.notices import Notice
from accounts.presentation import notification_rows
from market import instruments
from market.formatting import formatter
from market.presentation import candle_text, ladder, ticker_text, trade_rows
from market.session_text import auction_text, phase_text
from market.values import NS_PER_SECOND, MarketView
from orderbook.core.events import InstrumentDefined
from orderbook.gateway.pagination import PageRequest
from trading import selectors
from trading.presentation import BalanceRow, balance_row, fill_row, order_row

OPEN_ORDERS_SHOWN = 50
FILLS_SHOWN = 50
TOASTS_SHOWN = 4
TOAST_AGE_NS = 10 * NS_PER_SECOND
"""Older news is in the list of notifications only."""
TOAST_KINDS = (
    Notification.Kind.FILL,
    Notification.Kind.CANCEL,
    Notification.Kind.REJECT,
    Notification.Kind.TRIGGER,
    Notification.Kind.BUST,
)

BOOK_PANELS = ("strip", "ladder")
"""Those that change without a trade."""
MARKET_PANELS = (*BOOK_PANELS, "trades", "candle")
_BOOKS_OWN = ("ladder", "trades")
"""Panels whose template is that of every book, a feed's too."""
ACCOUNT_PANELS = ("open_orders", "own_fills", "balances", "toasts")
_FOLDER = "trading/partials"


def market_context(view: MarketView, instrument: InstrumentDefined) -> dict[str, Any]:
    form = formatter(instrument)
    shown = ladder(view, form, auction_text(view, instrument))
    return {
        "instrument": instrument,
        "has_ticket": True,
        "ticker": ticker_text(view.ticker, form),
        "direction": shown.last_direction,
        "ladder": shown,
        "trades": trade_rows(view, form),
        "candle": candle_text(view, form),
        "phase": phase_text(view, instrument),
    }


def market_fragments(
    view: MarketView, instrument: InstrumentDefined, panels: Sequence[str] = MARKET_PANELS
) -> dict[str, str]:
    context = market_context(view, instrument)
    return {name: render_to_string(_template(name), context) for name in panels}


def _template(panel: str) -> str:
    return f"{'market/partials' if panel in _BOOKS_OWN else _FOLDER}/{panel}.html"


class Toasts(NamedTuple):
    """News since a page was opened."""

    since_id: int
    notices: list[Notice]


def account_context(account_id: int, instrument: InstrumentDefined) -> dict[str, Any]:
    orders = selectors.open_orders(account_id, limit=OPEN_ORDERS_SHOWN + 1)
    fills = selectors.fills_of(account_id, PageRequest(FILLS_SHOWN)).results
    shown = orders[:OPEN_ORDERS_SHOWN]
    return {
        "instrument": instrument,
        "orders": [order_row(order, instruments.lookup(order.symbol)) for order in shown],
        "more_orders": len(orders) > OPEN_ORDERS_SHOWN,
        "fills": [fill_row(fill, instruments.lookup(fill.symbol)) for fill in fills],
        "balances": pair_balances(account_id, instrument),
    }


def pair_balances(account_id: int, instrument: InstrumentDefined) -> list[BalanceRow]:
    """The account's balances of the instrument's two assets, zero where it never had any."""
    known = {balance.asset: balance for balance in account_selectors.balances_of(account_id)}
    rows = []
    for asset, decimals in (
        (instrument.base, instrument.base_decimals),
        (instrument.quote, instrument.quote_decimals),
    ):
        balance = known.get(asset)
        available, held = (balance.available_minor, balance.held_minor) if balance else (0, 0)
        rows.append(balance_row(asset, decimals, available, held))
    return rows


def account_fragments(
    account_id: int, instrument: InstrumentDefined, toasts_since_id: int
) -> dict[str, str]:
    """Empty for an account that may no longer look."""
    user = User.objects.filter(pk=account_id, is_active=True).first()
    if user is None:
        return {}
    context = account_context(account_id, instrument)
    context["toasts"] = _toasts(user, toasts_since_id)
    context["unread_count"] = account_selectors.unread_count(user)
    fragments: dict[str, str] = {
        name: render_to_string(f"{_FOLDER}/{name}.html", context) for name in ACCOUNT_PANELS
    }
    fragments["unread"] = render_to_string("partials/notification_count.html", context)
    return fragments


def newest_notice_id(account_id: int) -> int:
    user = User.objects.filter(pk=account_id).first()
    return account_selectors.newest_notification_id(user) if user else 0


def _toasts(user: User, since_id: int) -> list[dict[str, Any]]:
    """Oldest first, as they appeared."""
    newest = account_selectors.notifications_of(user, PageRequest(TOASTS_SHOWN)).results
    oldest_ns = time.time_ns() - TOAST_AGE_NS
    news = [
        notice
        for notice in reversed(newest)
        if notice.id > since_id and notice.time_ns >= oldest_ns and notice.kind in TOAST_KINDS
    ]
    return notification_rows(user, news)
