"""What can go wrong when books of feeds are served."""

from http import HTTPStatus

from market.feeds.errors import FeedError


class BadPublication(FeedError):
    """The other end of a publication's connection does not speak its protocol."""

    code = "bad_publication"
    message = "The publication of the feed cannot be read."


class UnknownInstrument(FeedError):
    code = "unknown_instrument"
    status = HTTPStatus.NOT_FOUND
    message = "The feed has no such instrument; GET /api/v1/feeds/{id}/ lists them."

    def __init__(self) -> None:
        super().__init__(field="instrument")


class AmbiguousInstrument(FeedError):
    """Several publishers have an instrument of this symbol."""

    code = "ambiguous_instrument"
    message = "Several publishers have this symbol: name it as publisher:instrument, such as 1:42."

    def __init__(self) -> None:
        super().__init__(field="instrument")


class InstrumentNeeded(FeedError):
    code = "required"
    message = "The feed has several instruments: say which, by instrument=."

    def __init__(self) -> None:
        super().__init__(field="instrument")


class FeedNotLive(FeedError):
    """No process reads the feed now, or it does not answer."""

    code = "feed_not_live"
    status = HTTPStatus.SERVICE_UNAVAILABLE
    message = (
        "Nothing reads this feed now; what is stored of it is told with at=, or start= and end=."
    )
    retry_after_s = 5


class FeedIsRead(FeedError):
    """Two processes would store and publish the same feed."""

    code = "feed_is_read"
    status = HTTPStatus.CONFLICT
