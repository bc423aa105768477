"""What callers of order entry are told, besides the engine's own reject codes."""

from http import HTTPStatus

from orderbook.errors import InvalidInput, NotFound, VenueError


class MalformedJson(InvalidInput):
    code = "malformed_json"
    message = "The body must be one JSON object, in UTF-8, that names no key twice."


class BodyTooLarge(VenueError):
    code = "body_too_large"
    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    message = "The body is larger than 64 KiB."


class OrderNotFound(NotFound):
    """The same code as the engine's own for a cancel."""

    code = "unknown_order"
    message = "There is no order with this id, or it is not yours."


class OrderNotOpen(VenueError):
    code = "order_not_open"
    status = HTTPStatus.CONFLICT
    message = "The order is done already; there is nothing to cancel."


class RateLimited(VenueError):
    code = "rate_limited"
    status = HTTPStatus.TOO_MANY_REQUESTS
    message = "The account sends more requests a second than the venue allows. Slow down."
    retry_after_s = 1
