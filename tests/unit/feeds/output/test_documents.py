import msgspec
import pytest

from market.feeds.books.contract import BookKey
from market.feeds.books.plain import PlainBooks
from market.feeds.dbn.records import PRICE_UNITS
from market.feeds.output.documents import Describer, Trading, encode
from tests.unit.feeds.books.flow import KEY, START_NS, flow

BASIS = ("A B 1 100 5", "A B 2 100 7", "A B 3 99 1", "A A 4 101 2")


def described(*lines: str, **options) -> dict:
    books, trading = PlainBooks(), Trading()
    records = flow(*lines)
    books.apply(records)
    trading.take(records)
    names = {KEY: "ABCD"}
    describer = Describer(books, trading, names.get, lambda key: {"state": "LIVE"}, **options)
    (document,) = msgspec.json.decode(encode(describer.books()))
    return document


def test_a_book_is_described_level_by_level() -> None:
    document = described(*BASIS)
    assert document["symbol"] == "ABCD"
    assert (document["publisher_id"], document["instrument_id"]) == KEY
    assert document["ts_recv"] == START_NS + 3 * 10**9
    assert document["sequence"] == 3
    assert document["state"] == "LIVE"
    assert document["event_complete"]
    assert not document["crossed"]
    assert document["order_count"] == 4
    assert document["bids"] == [
        {"price": 100 * PRICE_UNITS, "price_decimal": "100", "size": 12, "count": 2},
        {"price": 99 * PRICE_UNITS, "price_decimal": "99", "size": 1, "count": 1},
    ]
    assert document["asks"] == [
        {"price": 101 * PRICE_UNITS, "price_decimal": "101", "size": 2, "count": 1}
    ]


def test_queues_are_in_priority_order() -> None:
    document = described(*BASIS, "M B 1 100 6", with_queues=True)
    assert document["bids"][0]["queue"] == [
        {"order_id": 2, "size": 7},
        {"order_id": 1, "size": 6},
    ]


def test_only_so_many_levels_are_shown() -> None:
    whole, one = described(*BASIS), described(*BASIS, depth=1)
    assert len(one["bids"]) == len(one["asks"]) == 1
    assert one["order_count"] == 4
    assert one["state_hash"] == whole["state_hash"]


def test_a_level_of_more_than_32_bits_is_added_up() -> None:
    size = 2**32 - 2
    document = described(f"A B 1 100 {size}", f"A B 2 100 {size}")
    assert document["bids"][0]["size"] == 2 * size


@pytest.mark.parametrize(
    ("lines", "session"),
    [
        ((), "unknown"),
        (("T A 0 100 1",), "continuous"),
        (("T N 0 100 1",), "unknown"),
        (("T A 0 100 1", "A A 9 100 1"), "pre_open_or_closed"),
        (("T A 0 100 1", "C A 4 101 2"), "unknown"),
        (("T A 0 100 1", "R N 0 - 0", *BASIS), "unknown"),
    ],
)
def test_the_session_is_inferred_from_trades_and_crossing(lines, session) -> None:
    assert described(*BASIS, *lines)["session"] == session


def test_an_empty_book_has_no_levels() -> None:
    document = described(*BASIS, "R N 0 - 0")
    assert (document["bids"], document["asks"]) == ([], [])


def test_trades_of_one_book_say_nothing_of_another() -> None:
    books, trading = PlainBooks(), Trading()
    records = flow(*BASIS, "T A 0 1 1 i=8")
    books.apply(records)
    trading.take(records)
    assert trading.session(books, KEY) == "unknown"
    assert trading.session(books, BookKey(1, 8)) == "unknown"
