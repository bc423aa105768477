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


class FourEyes(VenueError):
    """What one operator asks for, another one approves, who gains nothing by it."""

    code = "four_eyes"
    status = HTTPStatus.FORBIDDEN
    message = "Another operator must approve this: not who asked for it, nor a party to it."


class RequestDecided(VenueError):
    code = "request_decided"
    status = HTTPStatus.CONFLICT
    message = "The request has been decided already."


class TradeNotInJournal(NotFound):
    code = "unknown_trade"
    message = "The journal has no such trade at this sequence."


class BustRequested(VenueError):
    code = "bust_requested"
    status = HTTPStatus.CONFLICT
    message = "There is a request to bust this trade already, or it has been busted."
