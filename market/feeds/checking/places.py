"""Whose place in its queue is known, in a book whose records began in the middle of a day.

Orders from before the beginning lie in such a book unseen, ahead of all that joined since: they
came earlier. So those that were added since are in their true order, and nothing that is missing
lies between them. But an M of an order from before makes it known without its old price and size:
a venue that only took from its size left it where it was, ahead; one that moved it put it at the
back, as the book does. Its place is in doubt until an M that the book can judge moves it, or until
it is gone.

Hence a trade whose makers' places are all known can be judged. The book has its level's orders in
their true order, but that those in doubt may lie further ahead, and those that are unseen lie ahead
of all. Where the makers are the first of the true queue they are the first in the book, too: an
order that the book has ahead of a maker is ahead of it in truth. So nothing sound is ever blamed.
"""

from market.feeds.books.plain_book import PlainBook, Row
from market.feeds.dbn.records import (
    ADD,
    ASK,
    BID,
    CANCEL,
    CLEAR,
    FLAG_SNAPSHOT,
    MODIFY,
    NO_PRICE,
    NO_SIZE,
)


class Places:
    """Of one book. A book that began with an R or a snapshot, or had one since, has no order from
    before: what it does not know there is an error of the feed, and no place is in doubt."""

    def __init__(self, book: PlainBook) -> None:
        self._book = book
        self._is_cold = True
        self._in_doubt: set[int] = set()

    def is_known(self, order_id: int) -> bool:
        """Of an order that the book knows."""
        return order_id not in self._in_doubt

    def change(self, row: Row) -> None:
        """Before the book takes an A, C, M or R."""
        action, side, flags, order_id, price, size = row
        if action == CLEAR or (action == ADD and flags & FLAG_SNAPSHOT):
            self._is_cold = False
            self._in_doubt.clear()
        elif not self._is_cold or (action != CANCEL and not _is_usable(side, price, size)):
            return
        elif action == MODIFY:
            self._modify(side, order_id, price, size)
        elif action == ADD or (action == CANCEL and self._is_gone_after(order_id, size)):
            self._in_doubt.discard(order_id)

    def restart(self) -> None:
        """The feed begins again, from an empty book."""
        self._is_cold = True
        self._in_doubt.clear()

    def _modify(self, side: int, order_id: int, price: int, size: int) -> None:
        order = self._book.order(order_id)
        if order is None:
            self._in_doubt.add(order_id)
        elif order[:2] != (side, price) or size > order[2]:
            self._in_doubt.discard(order_id)

    def _is_gone_after(self, order_id: int, size: int) -> bool:
        order = self._book.order(order_id)
        return order is None or size >= order[2]


def _is_usable(side: int, price: int, size: int) -> bool:
    """Whether the book takes an A or M of them, and does not skip it. (One with size 0 may remove
    its order: the doubt that stays behind goes when the id is added again.)"""
    return side in (BID, ASK) and price != NO_PRICE and size not in (0, NO_SIZE)
