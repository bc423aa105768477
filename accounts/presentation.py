"""How accounts look from outside: decimal strings, and on pages thousands apart; UTC times."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from accounts.models import LedgerEntry, User
from accounts.notices import Notice
from accounts.postings import Posting
from accounts.selectors import Balance, asset_decimals, notifications_read_to
from accounts.wording import message_of, title_of
from orderbook.gateway.decimals import minor_to_text
from orderbook.gateway.display import money_text

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def moment(time_ns: int) -> datetime:
    """To the microsecond, exactly."""
    return _EPOCH + timedelta(microseconds=time_ns // 1000)


def balance_rows(balances: Iterable[Balance]) -> list[dict[str, str]]:
    return [
        {
            "asset": balance.asset,
            "available": minor_to_text(balance.available_minor, balance.decimals),
            "held": minor_to_text(balance.held_minor, balance.decimals),
            "total": minor_to_text(balance.total_minor, balance.decimals),
        }
        for balance in balances
    ]


def balance_texts(balances: Iterable[Balance]) -> list[dict[str, str]]:
    """As ``balance_rows``, for people."""
    return [
        {
            "asset": balance.asset,
            "available": money_text(balance.available_minor, balance.decimals),
            "held": money_text(balance.held_minor, balance.decimals),
            "total": money_text(balance.total_minor, balance.decimals),
        }
        for balance in balances
    ]


def ledger_texts(postings: list[Posting]) -> list[dict[str, Any]]:
    """As ``ledger_rows``, for people; ``direction`` is a class."""
    decimals = asset_decimals({posting.asset for posting in postings})
    return [
        {
            "time": moment(posting.time_ns),
            "asset": posting.asset,
            "amount": _signed(money_text(posting.amount_minor, decimals[posting.asset])),
            "direction": "sell" if posting.amount_minor < 0 else "buy",
            "kind": LedgerEntry.Kind(posting.kind).label,
            "reference": _origin(posting),
        }
        for posting in postings
    ]


def _signed(amount: str) -> str:
    return amount if amount.startswith("-") else f"+{amount}"


def _origin(posting: Posting) -> str:
    of_trade = posting.kind not in (LedgerEntry.Kind.DEPOSIT, LedgerEntry.Kind.WITHDRAWAL)
    return f"Trade {posting.reference}" if of_trade else posting.reference


def ledger_rows(postings: list[Posting]) -> list[dict[str, Any]]:
    decimals = asset_decimals({posting.asset for posting in postings})
    return [
        {
            "id": str(posting.id),
            "sequence": posting.sequence,
            "time": moment(posting.time_ns),
            "asset": posting.asset,
            "amount": minor_to_text(posting.amount_minor, decimals[posting.asset]),
            "kind": posting.kind,
            "reference": posting.reference,
        }
        for posting in postings
    ]


def _exact(data: dict[str, Any]) -> dict[str, Any]:
    """Money as text: a JSON number would lose its last digits in a browser."""
    return {name: str(value) if name.endswith("_minor") else value for name, value in data.items()}


def notification_rows(user: User, notices: list[Notice]) -> list[dict[str, Any]]:
    named = {n.data[key] for n in notices for key in ("asset", "base", "quote") if key in n.data}
    decimals = asset_decimals(named)
    read_to_id = notifications_read_to(user.pk)
    return [
        {
            "id": str(notice.id),
            "time": moment(notice.time_ns),
            "kind": notice.kind,
            "title": title_of(notice.kind, notice.data, decimals),
            "message": message_of(notice.kind, notice.data),
            "details": _exact(notice.data),
            "read": notice.id <= read_to_id,
        }
        for notice in notices
    ]
