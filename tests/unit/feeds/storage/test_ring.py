"""The queue between a feed and its storing process."""

import random

import numpy as np
import pytest

from market.feeds.storage.ring import Entry, Kind, Ring, RingDamaged


@pytest.fixture
def ring() -> Ring:
    return Ring.create(4_096)


def entry(position: int, count: int = 1) -> Entry:
    return Entry(Kind.RECORDS, position, 1, count, memoryview(b""), position)


def test_what_is_put_comes_out_in_order_however_often_it_goes_round(ring: Ring) -> None:
    draw = random.Random(1)
    reader = Ring(ring.descriptor)
    put: list[bytes] = []
    got: list[bytes] = []
    at = 0
    while len(got) < 3_000:
        payload = draw.randbytes(draw.randrange(1_500))
        if ring.put(entry(len(put)), np.frombuffer(payload, np.uint8)):
            put.append(payload)
            continue
        for found in reader.entries(at):
            assert found.position == len(got)
            got.append(bytes(found.payload))
            at = found.after
            if draw.random() < 0.3:
                break
        reader.release(at, len(got))
    assert got == put[: len(got)]


def test_nothing_is_overwritten_before_it_is_released(ring: Ring) -> None:
    payload = np.zeros(1_000, np.uint8)
    count = 0
    while ring.put(entry(count), payload):
        count += 1
    assert count == 3
    assert ring.oldest_offered_ns() == 0
    first = next(iter(ring.entries(0)))
    assert not ring.put(entry(count), payload)
    ring.release(first.after, 1)
    assert ring.put(entry(count), payload)
    assert [found.position for found in ring.entries(ring.released)] == [1, 2, 3]


def test_a_payload_larger_than_the_ring_never_fits(ring: Ring) -> None:
    assert not ring.put(entry(0), np.zeros(5_000, np.uint8))
    assert ring.queued_bytes == 0


def test_reading_from_a_wrong_place_is_noticed(ring: Ring) -> None:
    assert ring.put(entry(0), np.full(200, 7, np.uint8))
    with pytest.raises(RingDamaged):
        list(ring.entries(64))
