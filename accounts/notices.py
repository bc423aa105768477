"""What an event means to a user: pure functions from journal records to notifications.

One command makes at most one notification of a fill for each order, however many trades it took.
``data`` holds what the text is made of, as integers and codes; ``accounts/wording.py`` words it.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from accounts.models import Notification
from accounts.postings import place_id
from orderbook.core.events import (
    AmendRejected,
    CancelRejected,
    Deposited,
    OrderCanceled,
    OrderRejected,
    OrderTriggered,
    Trade,
    TradeBusted,
    Withdrawn,
)
from orderbook.core.units import Side
from orderbook.projections import Recorded

NOTICES_PER_EVENT = 2
"""A trade is news to its maker and to its taker."""

_Kind = Notification.Kind


class Notice(NamedTuple):
    """Fields as in ``Notification``."""

    id: int
    time_ns: int
    account_id: int
    kind: str
    data: dict[str, Any]


def notices_of(records: Sequence[Recorded]) -> Iterator[Notice]:
    """Notifications of every account; all records of a command must come together."""
    fills: dict[tuple[int, int], Notice] = {}
    for record in records:
        event = record.event
        if isinstance(event, Trade):
            _add_fill(fills, record, event, maker=False)
            _add_fill(fills, record, event, maker=True)
        elif isinstance(event, TradeBusted):
            yield _bust(record, event.trade, maker=False)
            yield _bust(record, event.trade, maker=True)
        elif (notice := _NOTICES.get(type(event))) is not None:
            kind, names = notice
            data = {name: _plain(getattr(event, name)) for name in names}
            yield Notice(
                place_id(record.sequence, record.index * NOTICES_PER_EVENT),
                record.time_ns,
                event.account_id,  # type: ignore[union-attr]
                kind,
                data,
            )
    yield from fills.values()


# A refused deposit, withdrawal or definition is not here: its operator was told at once, and a
# deposit that is repeated to be sure of it is nothing that its trader should hear of.
_NOTICES: dict[type, tuple[str, tuple[str, ...]]] = {
    Deposited: (str(_Kind.DEPOSIT), ("asset", "amount_minor", "reference")),
    Withdrawn: (str(_Kind.WITHDRAWAL), ("asset", "amount_minor", "reference")),
    OrderCanceled: (str(_Kind.CANCEL), ("order_id", "symbol", "client_order_id", "reason")),
    OrderRejected: (str(_Kind.REJECT), ("symbol", "client_order_id", "reason")),
    CancelRejected: (str(_Kind.REJECT), ("order_id", "client_order_id", "reason")),
    AmendRejected: (str(_Kind.REJECT), ("order_id", "client_order_id", "reason")),
    OrderTriggered: (str(_Kind.TRIGGER), ("order_id", "symbol")),
}


def _bust(record: Recorded, trade: Trade, *, maker: bool) -> Notice:
    return Notice(
        place_id(record.sequence, record.index * NOTICES_PER_EVENT + maker),
        record.time_ns,
        trade.maker_account_id if maker else trade.taker_account_id,
        str(_Kind.BUST),
        {
            "order_id": trade.maker_order_id if maker else trade.taker_order_id,
            "trade_id": trade.trade_id,
            "symbol": trade.symbol,
        },
    )


def _plain(value: Any) -> Any:
    return getattr(value, "value", value)


def _add_fill(
    fills: dict[tuple[int, int], Notice], record: Recorded, trade: Trade, *, maker: bool
) -> None:
    order_id = trade.maker_order_id if maker else trade.taker_order_id
    key = (record.sequence, order_id)
    notice = fills.get(key)
    if notice is None:
        side = trade.taker_side
        if maker:
            side = Side.SELL if side is Side.BUY else Side.BUY
        fills[key] = notice = Notice(
            place_id(record.sequence, record.index * NOTICES_PER_EVENT + maker),
            record.time_ns,
            trade.maker_account_id if maker else trade.taker_account_id,
            str(_Kind.FILL),
            {
                "order_id": order_id,
                "symbol": trade.symbol,
                "side": side.value,
                "base": trade.base,
                "quote": trade.quote,
                "base_minor": 0,
                "quote_minor": 0,
                "trades": 0,
            },
        )
    notice.data["base_minor"] += trade.base_minor
    notice.data["quote_minor"] += trade.quote_minor
    notice.data["trades"] += 1
