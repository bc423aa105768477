"""What can go wrong between sender and receiver."""

from http import HTTPStatus

from market.feeds.errors import FeedError


class UnknownResume(FeedError):
    """The sender has not, or no longer, the frames that a receiver still needs."""

    code = "unknown_resume"
    status = HTTPStatus.GONE
    message = "The stream cannot be had from this sequence on."


class SequenceGap(FeedError):
    """A frame or a record is missing. The message names the expected and the met number."""

    code = "sequence_gap"
    message = "A frame is missing."


class StreamLost(FeedError):
    """The connection ended before END and did not come back. The message names the last
    sequence."""

    code = "stream_lost"
    status = HTTPStatus.SERVICE_UNAVAILABLE
    message = "The stream ended before its end."


class SenderFailed(FeedError):
    """The sender said that it cannot go on; the code is the sender's."""

    code = "sender_failed"


class BadRequest(FeedError):
    """What a receiver sent is not the one line that the sender understands."""

    code = "bad_request"
