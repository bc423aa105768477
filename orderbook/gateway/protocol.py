"""What travels between gateways and the engine worker, and what the engine publishes.

Everything is MessagePack inside one bytes field of a channel-layer message, so that a batch costs
one message. The queue may lose, repeat or reorder any of these.
"""

from collections.abc import Iterable
from operator import itemgetter

import msgspec
from msgspec import Struct

from orderbook.core.commands import (
    AmendOrder,
    Batch,
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
    Event,
    OrderRejected,
)
from orderbook.core.rejects import RejectReason
from orderbook.core.units import Side

MAX_BATCH_COMMANDS = 500
"""Most commands that one queue message carries."""
MAX_DEADLINE_NS = 10 * 10**9
"""Furthest ahead that a command's deadline may lie when the engine reads it."""
FANOUT_GROUP = "venue"
"""Channel-layer group to which the engine publishes every committed batch."""
_BY_SEQUENCE = itemgetter(0)


class Envelope(Struct, frozen=True, array_like=True, gc=False):
    """A command on its way. A resend has the same ``command_id``.

    Untracked by the garbage collector, as ``Answer`` is: what it holds cannot lead back to it.
    """

    command_id: bytes
    """16 bytes: 8 random ones of the gateway, then its counter."""
    deadline_ns: int
    command: Command


class Answer(Struct, frozen=True, array_like=True, gc=False):
    """What became of one command. ``sequence`` is 0 where nothing was journaled."""

    command_id: bytes
    sequence: int
    time_ns: int
    events: list[Event]


class GetDepth(Struct, frozen=True, array_like=True, tag=True):
    """The whole book of a symbol by level."""

    symbol: str


class GetInstruments(Struct, frozen=True, array_like=True, tag=True):
    """Every asset and instrument definition."""


class GetBalances(Struct, frozen=True, array_like=True, tag=True):
    """Every balance of every account, for reconciliation."""


class GetStateHash(Struct, frozen=True, array_like=True, tag=True):
    pass


class GetControls(Struct, frozen=True, array_like=True, tag=True):
    """What operators have set: of an instrument, where a symbol is given, and of an account."""

    symbol: str = ""
    account_id: int = 0
    """0: the venue's kill switch alone."""


class GetStatus(Struct, frozen=True, array_like=True, tag=True):
    """A sign of life from the leader."""


Query = GetStatus | GetDepth | GetInstruments | GetBalances | GetStateHash | GetControls


class Level(Struct, frozen=True, array_like=True):
    """One price level; ``quantity_lots`` 0 means that it is gone."""

    side: Side
    price_ticks: int
    quantity_lots: int
    order_count: int


class Depth(Struct, frozen=True, array_like=True, tag=True):
    """Answer to GetDepth: bids best first, then asks best first."""

    symbol: str
    sequence: int
    update_id: int
    time_ns: int
    levels: list[Level]
    until_ns: int = 0
    """When the instrument's volatility auction ends; 0 where none runs."""
    indication: tuple[int, int, int] = (0, 0, 0)
    """What its auction published last, as in ``AuctionIndicated``: price, volume, imbalance."""


class Definitions(Struct, frozen=True, array_like=True, tag=True):
    sequence: int
    events: list[Event]
    """AssetDefined and InstrumentDefined."""


class Controls(Struct, frozen=True, array_like=True, tag=True):
    """Answer to GetControls: the events that would set what holds now. KillSwitchSet of account 0
    is the venue's; what was never set has no event."""

    sequence: int
    events: list[Event]


class Balances(Struct, frozen=True, array_like=True, tag=True):
    sequence: int
    balances: list[tuple[int, str, int, int]]
    """(account_id, asset, available_minor, held_minor)"""


class StateHash(Struct, frozen=True, array_like=True, tag=True):
    sequence: int
    state_hash: str


class Status(Struct, frozen=True, array_like=True, tag=True):
    epoch: int
    sequence: int
    time_ns: int


class QueryFailed(Struct, frozen=True, array_like=True, tag=True):
    code: str
    message: str


QueryResult = Status | Depth | Definitions | Controls | Balances | StateHash | QueryFailed


class DepthUpdate(Struct, frozen=True, array_like=True):
    """Levels of one symbol that changed, with their values after the batch.

    ``first_update_id`` to ``last_update_id`` are contiguous from one update of a symbol to the
    next, across batches and restarts: first = last of the update before + 1.
    """

    symbol: str
    first_update_id: int
    last_update_id: int
    levels: list[Level]


class PublishedBatch(Struct, frozen=True, array_like=True):
    """What listeners get of a fan-out message: all that one or more committed batches did."""

    previous_sequence: int
    """Last sequence of the message before this one; a reader that saw another one has a gap."""
    last_sequence: int
    time_ns: int
    entries: list[tuple[int, int, list[Event]]]
    """(sequence, time_ns, events) of each command."""
    depth: list[DepthUpdate]


class Publication(Struct, frozen=True, array_like=True):
    """A fan-out message as it travels; ``decode_published`` makes a ``PublishedBatch`` of it."""

    previous_sequence: int
    last_sequence: int
    time_ns: int
    replies: list[msgspec.Raw]
    """Encoded lists of answers, as gateways got them: events are encoded once for both."""
    depth: list[DepthUpdate]


class _ReadPublication(Struct, frozen=True, array_like=True):
    previous_sequence: int
    last_sequence: int
    time_ns: int
    replies: list[list[Answer]]
    depth: list[DepthUpdate]


encode = msgspec.msgpack.Encoder().encode
decode_envelopes = msgspec.msgpack.Decoder(list[Envelope]).decode
decode_answers = msgspec.msgpack.Decoder(list[Answer]).decode
decode_query = msgspec.msgpack.Decoder(Query).decode
decode_query_result = msgspec.msgpack.Decoder(QueryResult).decode
_decode_publication = msgspec.msgpack.Decoder(_ReadPublication).decode
_FIX_ARRAY, _FIX_ARRAY_ITEMS, _ARRAY_16 = 0x90, 16, b"\xdc"


def joined(count: int, encoded: Iterable[bytes]) -> bytes:
    """One MessagePack array of ``count`` items (below 65,536) that are encoded already."""
    if count < _FIX_ARRAY_ITEMS:
        header = bytes((_FIX_ARRAY | count,))
    else:
        header = _ARRAY_16 + count.to_bytes(2, "big")
    return header + b"".join(encoded)


def decode_published(data: bytes) -> PublishedBatch:
    """Raises msgspec.MsgspecError where ``data`` is no publication."""
    read = _decode_publication(data)
    entries = [
        (answer.sequence, answer.time_ns, answer.events)
        for answers in read.replies
        for answer in answers
        if answer.sequence
    ]
    # Commands of several gateways share batches; each gateway's answers are in order.
    entries.sort(key=_BY_SEQUENCE)
    return PublishedBatch(
        read.previous_sequence, read.last_sequence, read.time_ns, entries, read.depth
    )


REFUSALS = frozenset({OrderRejected, AmendRejected, CancelRejected, BatchRejected, CommandRejected})
"""Types of the events that say that a command was refused."""


def refusal(command: Command, reason: RejectReason) -> Event:
    """The event that says that ``command`` was refused before the engine's own checks."""
    match command:
        case PlaceOrder():
            return OrderRejected(
                command.account_id, command.symbol, command.client_order_id, reason
            )
        case ReplaceOrder(order=order) | PlaceOrderList(orders=(order, *_)):
            return refusal(order, reason)
        case AmendOrder():
            return AmendRejected(
                command.account_id, command.order_id, command.client_order_id, reason
            )
        case Batch():
            return BatchRejected(command.account_id, 0, reason)
        case CancelOrder():
            return CancelRejected(
                command.account_id, command.order_id, command.client_order_id, reason
            )
        case _:
            account_id = getattr(command, "account_id", 0)
            return CommandRejected(account_id, type(command).__name__, "", reason)
