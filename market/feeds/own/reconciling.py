"""After a command: records that bring a book from what was recorded to what the engine has."""

from collections.abc import Mapping
from typing import NamedTuple

from market.feeds.own.emission import Emission
from market.feeds.own.standing import Standing
from orderbook.core.order import Order
from orderbook.core.units import Side

_NOT_KEPT = 2**62
"""As the last place of a level: whatever comes behind it must be recorded anew."""


class _Moved(NamedTuple):
    """An order that came to the back of a queue in the command."""

    order: Order
    recorded: Standing | None


def reconcile(
    emission: Emission, recorded: Mapping[int, Standing], rests: Mapping[int, Order]
) -> None:
    """``recorded``: what the records say of the orders that a command touched. ``rests``: those of
    them that stand in the engine's book."""
    for order_id, one in recorded.items():
        order = rests.get(order_id)
        if order is None:
            emission.cancel(order_id, one.side, one.price_ticks, one.shown_lots)
        elif one.priority == order.priority and one.shown_lots != order.remaining_lots:
            emission.modify(order_id, order.side, order.price_ticks, order.remaining_lots)
    moved = [
        _Moved(order, recorded.get(order_id))
        for order_id, order in rests.items()
        if order_id not in recorded or recorded[order_id].priority != order.priority
    ]
    moved.sort(key=lambda one: one.order.priority)
    places: dict[tuple[Side, int], int] = {}
    for order, before in moved:
        level = (order.side, order.price_ticks)
        if before is not None and _stands_there(before, order, places.get(level, 0)):
            places[level] = before.place
            if before.shown_lots != order.remaining_lots:
                emission.modify(order.order_id, order.side, order.price_ticks, order.remaining_lots)
            continue
        places[level] = _NOT_KEPT
        _record_at_the_back(emission, order, before)


def _stands_there(one: Standing, order: Order, last_place: int) -> bool:
    """Whether the command's own records have put the order where it is."""
    return (
        one.priority == 0
        and one.price_ticks == order.price_ticks
        and one.place > last_place
        and one.shown_lots >= order.remaining_lots
    )


def _record_at_the_back(emission: Emission, order: Order, one: Standing | None) -> None:
    order_id, side = order.order_id, order.side
    price_ticks, lots = order.price_ticks, order.remaining_lots
    if one is None:
        emission.add(order_id, side, price_ticks, lots)
    elif one.price_ticks != price_ticks or lots > one.shown_lots:
        emission.modify(order_id, side, price_ticks, lots)
    else:  # an M would leave it where it stands
        emission.cancel(order_id, side, one.price_ticks, one.shown_lots)
        emission.add(order_id, side, price_ticks, lots)
