"""The engine's books and recorded ones in one form: order id, price and what shows, by queue."""

from market.feeds.books.contract import BookImage, BookKey
from market.feeds.own.expression import PUBLISHER_ID, Expression
from orderbook.core.book import Book

Queues = tuple[list[tuple[int, int, int]], list[tuple[int, int, int]]]
"""Bids and asks, best first."""


def key_of(symbol_book: Book) -> BookKey:
    return BookKey(PUBLISHER_ID, Expression.of(symbol_book.instrument).instrument_id)


def engine_queues(book: Book) -> Queues:
    tick = Expression.of(book.instrument).tick
    bids, asks = (
        [
            (order.order_id, order.price_ticks * tick, order.remaining_lots)
            for level in side
            for order in level
        ]
        for side in (book.bids, book.asks)
    )
    return bids, asks


def image_queues(image: BookImage) -> Queues:
    bids, asks = (
        [(int(row["order_id"]), int(row["price"]), int(row["size"])) for row in side]
        for side in (image.bids, image.asks)
    )
    return bids, asks
