"""Messages between gateways and engine that are put together from parts encoded before."""

import msgspec
import pytest

from orderbook.core.commands import (
    AmendOrder,
    Batch,
    CancelAllOrders,
    CancelOrder,
    Command,
    PlaceOrder,
    PlaceOrderList,
    ReplaceOrder,
)
from orderbook.core.events import (
    AmendRejected,
    BatchRejected,
    CancelRejected,
    CommandRejected,
    EpochOpened,
    Event,
    OrderRejected,
)
from orderbook.core.rejects import RejectReason
from orderbook.core.units import OrderListKind, OrderType, Side, TimeInForce
from orderbook.gateway.protocol import (
    REFUSALS,
    Answer,
    Publication,
    decode_published,
    encode,
    joined,
    refusal,
)


@pytest.mark.parametrize("count", [0, 1, 15, 16, 500, 65_535])
def test_joined_parts_are_what_encoding_them_together_gives(count: int) -> None:
    parts = [encode(number) for number in range(count)]
    assert joined(count, parts) == encode(list(range(count)))


def test_a_publication_has_every_command_once_in_order_whoever_sent_it() -> None:
    answers = {number: Answer(b"", number, 7, [EpochOpened(number)]) for number in (0, 3, 4, 5, 6)}
    replies = [[answers[4], answers[0], answers[6]], [answers[3], answers[5]]]
    publication = Publication(2, 6, 7, [msgspec.Raw(encode(reply)) for reply in replies], [])
    batch = decode_published(encode(publication))
    assert batch.entries == [(number, 7, [EpochOpened(number)]) for number in (3, 4, 5, 6)]
    assert (batch.previous_sequence, batch.last_sequence, batch.time_ns) == (2, 6, 7)


def test_what_is_no_publication_is_told() -> None:
    with pytest.raises(msgspec.MsgspecError):
        decode_published(encode([1, 2, 3, [[["not", "an", "answer"]]], []]))


LATE = RejectReason.DEADLINE_PASSED
ORDER = PlaceOrder(7, "BTC-USDT", Side.BUY, OrderType.LIMIT, TimeInForce.GTC, 1, 1, "mine")
ORDER_REJECTED = OrderRejected(7, "BTC-USDT", "mine", LATE)


@pytest.mark.parametrize(
    ("command", "event"),
    [
        (ORDER, ORDER_REJECTED),
        (ReplaceOrder(3, ORDER), ORDER_REJECTED),
        (PlaceOrderList(OrderListKind.OCO, (ORDER, ORDER)), ORDER_REJECTED),
        (
            PlaceOrderList(OrderListKind.OCO, ()),
            CommandRejected(0, "PlaceOrderList", "", LATE),
        ),
        (AmendOrder(7, 0, "mine", 5), AmendRejected(7, 0, "mine", LATE)),
        (CancelOrder(7, 3), CancelRejected(7, 3, "", LATE)),
        (Batch(7, (ORDER, ORDER)), BatchRejected(7, 0, LATE)),
        (CancelAllOrders(7), CommandRejected(7, "CancelAllOrders", "", LATE)),
    ],
)
def test_a_command_refused_before_the_engine_gets_the_refusal_of_its_kind(
    command: Command, event: Event
) -> None:
    assert refusal(command, LATE) == event
    assert type(event) in REFUSALS
