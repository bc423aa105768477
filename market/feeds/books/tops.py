"""The best levels of changed books as JSON, written by compiled code into one buffer."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from market.feeds.books.compiling import kernel, part
from market.feeds.books.layout import BOOKS_USED, Tables

LEVEL_BYTES = 56
"""Of the longest level: three numbers of up to 20 digits and a sign, and what is between them."""
HEAD_BYTES = 256
MINUS, OPEN, CLOSE, COMMA, ZERO = b"-[],0"
_WORDS = (
    b'{"publisher_id":',
    b',"instrument_id":',
    b',"ts_recv":',
    b',"sequence":',
    b',"bids":[',
    b'],"asks":[',
    b"]}",
)
WORDS = np.frombuffer(b"".join(_WORDS), np.uint8)
WORD_ENDS = np.cumsum([0, *map(len, _WORDS)])


class Places(NamedTuple):
    """One row for each book that was written."""

    books: NDArray[np.int64]
    """Its index."""
    ends: NDArray[np.int64]
    """Where its text ends; it begins where the one before ends."""
    crossed: NDArray[np.uint8]


@part
def write_word(text: Any, at: Any, words: Any, word_ends: Any, word: Any) -> Any:
    for place in range(word_ends[word], word_ends[word + 1]):
        text[at] = words[place]
        at += 1
    return at


@part
def write_number(text: Any, at: Any, number: Any) -> Any:
    """Unsigned."""
    rest, length = number, 1
    while rest >= np.uint64(10):
        rest //= np.uint64(10)
        length += 1
    rest, end = number, at + length
    for place in range(end - 1, at - 1, -1):
        text[place] = np.uint8(ZERO) + np.uint8(rest % np.uint64(10))
        rest //= np.uint64(10)
    return end


@part
def write_levels(tables: Tables, side: Any, depth: Any, text: Any, at: Any) -> Any:
    """Returns the end, and the best level's node (0: there is none)."""
    entry = tables.sides[side].entry
    found = tables.nodes[entry].next if entry != 0 else np.uint32(0)
    best, length = found, 0
    while found != 0 and length < depth:
        level = tables.nodes[found]
        price = level.rank if side & 1 else ~level.rank
        if length:
            text[at] = COMMA
            at += 1
        text[at] = OPEN
        at += 1
        magnitude = np.uint64(price)
        if price < 0:
            text[at] = MINUS
            at += 1
            magnitude = np.uint64(0) - magnitude
        at = write_number(text, at, magnitude)
        text[at] = COMMA
        at = write_number(text, at + 1, np.uint64(level.size))
        text[at] = COMMA
        at = write_number(text, at + 1, np.uint64(level.count))
        text[at] = CLOSE
        at += 1
        found = level.next
        length += 1
    return at, best


@kernel
def write_tops(
    tables: Tables, depth: int, text: Any, places: Places, words: Any, word_ends: Any
) -> int:
    """Writes every changed book for which there is room, and marks it unchanged. Returns how many:
    as many as ``places`` has means that there may be more."""
    count, at = 0, 0
    for index in range(tables.control[BOOKS_USED]):
        book = tables.books[index]
        if book.changed == 0:
            continue
        if count == len(places.books):
            break
        book.changed = 0
        at = write_word(text, at, words, word_ends, 0)
        at = write_number(text, at, book.key >> np.uint64(32))
        at = write_word(text, at, words, word_ends, 1)
        at = write_number(text, at, book.key & np.uint64(0xFFFF_FFFF))
        at = write_word(text, at, words, word_ends, 2)
        at = write_number(text, at, np.uint64(book.ts_recv))
        at = write_word(text, at, words, word_ends, 3)
        at = write_number(text, at, np.uint64(book.sequence))
        at = write_word(text, at, words, word_ends, 4)
        at, bid = write_levels(tables, np.uint32(2 * index), depth, text, at)
        at = write_word(text, at, words, word_ends, 5)
        at, ask = write_levels(tables, np.uint32(2 * index + 1), depth, text, at)
        at = write_word(text, at, words, word_ends, 6)
        places.books[count] = index
        places.ends[count] = at
        crossed = bid != 0 and ask != 0 and ~tables.nodes[bid].rank >= tables.nodes[ask].rank
        places.crossed[count] = crossed
        count += 1
    return count
