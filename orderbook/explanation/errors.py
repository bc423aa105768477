"""What cannot be explained."""

from http import HTTPStatus

from orderbook.errors import NotFound, VenueError


class NotInJournal(NotFound):
    code = "not_in_journal"


class TooFar(VenueError):
    """Only where limits are set."""

    code = "replay_too_long"
    status = HTTPStatus.UNPROCESSABLE_ENTITY
    message = (
        "The journal after the nearest snapshot is too long to be replayed here. "
        "The command explain_order takes the time that it needs."
    )
