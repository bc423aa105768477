import numpy as np

from market.feeds.books.contract import top_dtype
from market.feeds.books.plain import PIECE_RECORDS, PlainBooks
from tests.property.feeds.comparing import assert_same_orders
from tests.property.feeds.hostile import noise


def test_chunks_and_pieces_leave_no_trace() -> None:
    """Books with more records than are decoded at a time, of which few are the last of an event."""
    records = noise(77, 4 * PIECE_RECORDS)
    records["instrument_id"] //= 2
    records["flags"] &= np.where(np.arange(len(records)) % 977 == 0, 255, 127).astype(np.uint8)
    whole, with_rows, single = PlainBooks(), PlainBooks(), PlainBooks()
    whole.apply(records)
    with_rows.apply_with_top(records, 2, np.zeros(len(records), top_dtype(2)))
    for number in range(len(records)):
        single.apply(records[number : number + 1])
    assert_same_orders(whole, single)
    assert_same_orders(with_rows, single)
