"""Folds the journal into the tables of orders and fills, in bulk."""

from collections.abc import Sequence

from orderbook.bulk import insert_rows, update_rows
from orderbook.core.events import OrderAccepted, Trade
from orderbook.projections import Recorded
from trading.models import Fill, Order
from trading.order_state import busted_trade_ids, fold, maker_fill, taker_fill, touched_ids
from trading.selectors import FILL_FIELDS, ORDER_FIELDS, PROJECTION, load_orders

CHANGING_FIELDS = (
    "price_ticks",
    "quantity_lots",
    "stop_ticks",
    "filled_lots",
    "quote_filled_minor",
    "fee_minor",
    "rebate_minor",
    "status",
    "cancel_reason",
    "updated_ns",
    "updated_sequence",
)
"""All of an order that an event after its acceptance may change."""


class TradingProjection:
    """A new order is inserted once, as it is at the end of the call; older ones are updated."""

    name = PROJECTION

    def apply(self, records: Sequence[Recorded]) -> None:
        new = {
            record.event.order_id for record in records if isinstance(record.event, OrderAccepted)
        }
        states = load_orders(sorted(touched_ids(records) - new))
        changed = fold(states, records)
        insert_rows(
            Order,
            ORDER_FIELDS,
            ([getattr(states[id_], name) for name in ORDER_FIELDS] for id_ in sorted(new)),
        )
        update_rows(
            Order,
            "id",
            CHANGING_FIELDS,
            (
                (id_, *[getattr(states[id_], name) for name in CHANGING_FIELDS])
                for id_ in sorted(changed - new)
            ),
        )
        insert_rows(Fill, FILL_FIELDS, _fill_rows(records))
        if busted := busted_trade_ids(records):
            Fill.objects.filter(trade_id__in=busted).update(is_busted=True)

    def reset(self) -> None:
        Fill.objects.all().delete()
        Order.objects.all().delete()


def _fill_rows(records: Sequence[Recorded]) -> list[list[object]]:
    rows = []
    for sequence, _, time_ns, event in records:
        if isinstance(event, Trade):
            for fill in (
                taker_fill(event, sequence, time_ns),
                maker_fill(event, sequence, time_ns),
            ):
                rows.append([getattr(fill, name) for name in FILL_FIELDS])
    return rows
