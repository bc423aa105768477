"""Records that no venue sends."""

import numpy as np
from hypothesis import strategies as st

from market.feeds.dbn.records import MBO_DTYPE, NO_PRICE, NO_SIZE, RECORD_SIZE, Records

LOWEST, HIGHEST = -(2**63), 2**63 - 2
PRICES = (LOWEST, LOWEST + 1, -1, 0, 1, 2, 3, HIGHEST - 1, HIGHEST, NO_PRICE)
SIZES = (0, 1, 2, 3, 5, 2**31, NO_SIZE - 1, NO_SIZE)
ORDER_IDS = (0, 1, 2, 3, 4, 2**63, 2**64 - 1)
ACTIONS = "AAAAAAACCCMMMMMRTFNX\0"
SIDES = "AAABBBNX"
FLAGS = (128, 128, 128, 0, 0, 32, 160, 64, 192, 224, 255)
KEYS = ((0, 0), (0, 1), (65_535, 2**32 - 1))

_FIELDS = st.tuples(
    st.sampled_from(KEYS),
    st.sampled_from(ACTIONS),
    st.sampled_from(SIDES),
    st.sampled_from(ORDER_IDS),
    st.sampled_from(PRICES),
    st.sampled_from(SIZES),
    st.sampled_from(FLAGS),
    st.integers(0, 2**64 - 1),
)


def _records(rows: list) -> Records:
    records = np.zeros(len(rows), MBO_DTYPE)
    for number, (key, action, side, order_id, price, size, flags, time) in enumerate(rows):
        records[number] = (
            *(14, 160, *key, time, order_id, price, size, flags, 0, ord(action), ord(side)),
            *(2**64 - 1 - time, 0, time % 2**32),
        )
    return records


def few_ids(max_size: int = 60) -> st.SearchStrategy[Records]:
    """Few ids and prices, so that records have to do with each other."""
    return st.lists(_FIELDS, max_size=max_size).map(_records)


def any_bytes(max_records: int = 40) -> st.SearchStrategy[Records]:
    whole = st.binary(max_size=max_records * RECORD_SIZE)
    return whole.map(lambda data: np.frombuffer(data[: len(data) // 56 * 56], MBO_DTYPE))


def noise(seed: int, count: int) -> Records:
    """Many records of the same kind as ``few_ids``, with more ids and prices."""
    rng = np.random.default_rng(seed)
    records = np.frombuffer(rng.bytes(count * RECORD_SIZE), MBO_DTYPE).copy()
    records["publisher_id"] = rng.integers(0, 2, count)
    records["instrument_id"] = rng.integers(0, 3, count)
    records["order_id"] = rng.integers(0, 200, count)
    records["action"] = rng.choice(np.frombuffer(b"AAAAAACCCMMMMTFNX", np.uint8), count)
    records["action"][rng.random(count) < 0.002] = ord("R")
    records["side"] = rng.choice(np.frombuffer(b"AAAAABBBBBN", np.uint8), count)
    near = rng.integers(-30, 30, count)
    records["price"] = np.where(rng.random(count) < 0.05, rng.choice(PRICES, count), near)
    records["size"] = np.where(
        rng.random(count) < 0.1, rng.choice(SIZES, count), rng.integers(1, 20, count)
    )
    records["flags"] = rng.choice(np.array([128, 0], np.uint8), count)
    flagged = rng.random(count) < 0.01
    records["flags"][flagged] = rng.integers(0, 256, int(flagged.sum()))
    return records
