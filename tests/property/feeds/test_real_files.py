"""Recorded files of the folder that RIALTO_MBO_DATA names."""

import os
from pathlib import Path

import numpy as np
import pytest

from market.feeds.books.fast import FastBooks
from market.feeds.books.plain import PlainBooks
from market.feeds.dbn.files import open_dbn
from market.feeds.dbn.records import Records
from tests.property.feeds.comparing import (
    assert_resumes,
    assert_same_orders,
    assert_same_rows,
    assert_same_top,
    events,
    final_state,
)

FILES = sorted(Path(os.environ["RIALTO_MBO_DATA"]).glob("*.dbn*"))


@pytest.fixture(params=FILES, ids=lambda path: path.name)
def records(request: pytest.FixtureRequest) -> Records:
    with open_dbn(request.param) as file:
        return np.concatenate([batch.copy() for batch in file.batches()])


def test_both_books_are_the_same_after_each_event(records: Records) -> None:
    fast, plain = FastBooks(), PlainBooks()
    for number, event in enumerate(events(records)):
        fast.apply(event)
        plain.apply(event)
        assert_same_top(fast, plain)
        if number % 2_000 == 0:
            assert_same_orders(fast, plain)
    assert_same_orders(fast, plain)


def test_rows_resumption_and_batches(records: Records) -> None:
    assert assert_same_rows(records, 1, 4_096) > 0
    assert assert_same_rows(records, 10, 4_096) > 0
    assert_resumes(records, len(records) // 2)
    whole = final_state(records, len(records))
    for size in (1, 2, 7, 1_000):
        assert final_state(records, size) == whole
