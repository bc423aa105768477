"""Messages between gateways and engine that are put together from parts encoded before."""

import msgspec
import pytest

from orderbook.core.events import EpochOpened
from orderbook.gateway.protocol import Answer, Publication, decode_published, encode, joined


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
