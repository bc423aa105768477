"""What can go wrong with market data from outside, as callers see it."""

from http import HTTPStatus

from orderbook.errors import VenueError


class FeedError(VenueError):
    code = "feed_error"
    message = "The feed cannot be read."


class BadFile(FeedError):
    """The message names the file's offset in bytes."""

    code = "bad_file"
    message = "This is not a whole file of market-by-order records."


class BadFrame(FeedError):
    """The message names the offset in the stream of bytes."""

    code = "bad_frame"
    message = "The stream does not hold frames of market-by-order records."


class UnknownFeed(FeedError):
    code = "unknown_feed"
    status = HTTPStatus.NOT_FOUND
    message = "No feed has this name; GET /api/v1/feeds/ lists them."


class NotStored(FeedError):
    """No records are kept of the time that was asked for."""

    code = "not_stored"
    status = HTTPStatus.NOT_FOUND
    message = "Nothing is stored of this time."


class BookUnknown(FeedError):
    """Records were lost before the time that was asked for, and the book did not begin anew since:
    what could be answered would be wrong."""

    code = "book_unknown"
    status = HTTPStatus.CONFLICT
    message = "Records are missing before this time, so that the book is not known."


class StorageDamaged(FeedError):
    code = "storage_damaged"
    status = HTTPStatus.INTERNAL_SERVER_ERROR
    message = "A stored segment is not what was written."
