"""Cursor pages."""

import pytest

from orderbook.errors import InvalidInput
from orderbook.gateway.pagination import (
    DEFAULT_LIMIT,
    MAX_LIMIT,
    PageRequest,
    decode_cursor,
    encode_cursor,
    page_of,
    page_request,
)


@pytest.mark.parametrize("key", [(0,), (1, 2), (2**63 - 1, -1, 0)])
def test_a_cursor_gives_back_its_key(key: tuple[int, ...]) -> None:
    assert decode_cursor(encode_cursor(key), width=len(key)) == key


@pytest.mark.parametrize(
    "cursor",
    ["", "x", "é", "\x00", "====", "a" * 200, "YQ", encode_cursor((1, 2)), encode_cursor((2**63,))],
)
def test_a_bad_cursor_is_refused(cursor: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        decode_cursor(cursor)
    assert refused.value.code == "invalid_cursor"


@pytest.mark.parametrize("limit", ["0", "501", "-1", "1.5", "ten", "", "1" * 30, "\u0661"])
def test_a_bad_limit_is_refused(limit: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        page_request({"limit": limit})
    assert refused.value.field == "limit"


def test_a_request_without_parameters_asks_for_the_first_page() -> None:
    assert page_request({}) == PageRequest(DEFAULT_LIMIT, None)
    assert page_request({"limit": str(MAX_LIMIT)}).limit == MAX_LIMIT


def test_pages_walk_the_whole_list_once() -> None:
    rows = list(range(10, 0, -1))
    seen: list[int] = []
    request = PageRequest(limit=3)
    while True:
        after = request.after[0] if request.after else 11
        page = page_of([r for r in rows if r < after][:4], request.limit, lambda r: (r,))
        seen += page.results
        if page.next is None:
            break
        request = page_request({"limit": "3", "cursor": page.next})
    assert seen == rows
