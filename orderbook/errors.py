"""The errors of the exchange as its doors see them, and the base class of every app's own.

``code`` is stable and documented; ``message`` says what was wrong and what would be right.
"""

from http import HTTPStatus

from orderbook.core.rejects import MESSAGES, RejectReason


class VenueError(Exception):
    """Something a caller is told about, in the venue's one error shape (config/exceptions.py)."""

    code = "error"
    status = HTTPStatus.BAD_REQUEST
    message = "The request could not be carried out."
    retry_after_s: int | None = None

    def __init__(
        self, message: str | None = None, *, field: str | None = None, code: str | None = None
    ) -> None:
        self.message = message or self.message
        self.code = code or self.code
        self.field = field
        super().__init__(self.message)


class InvalidInput(VenueError):
    """A value that cannot be turned into a command or a query."""

    code = "invalid"


class NotFound(VenueError):
    code = "not_found"
    status = HTTPStatus.NOT_FOUND
    message = "There is no such thing here, or it is not yours."


class EngineUnavailable(VenueError):
    """The command did not reach the engine and was certainly not executed: safe to try again."""

    code = "engine_unavailable"
    status = HTTPStatus.SERVICE_UNAVAILABLE
    message = "The engine cannot be reached now; nothing was executed. Try again shortly."
    retry_after_s = 1


class OutcomeUnknown(VenueError):
    """The command was sent and not answered before its deadline: it may have been executed."""

    code = "outcome_unknown"
    status = HTTPStatus.SERVICE_UNAVAILABLE
    message = (
        "The engine did not answer in time, so the outcome is unknown. Ask for the order by its "
        "client_order_id before sending it again."
    )
    retry_after_s = 1


class CommandRefused(VenueError):
    """The engine refused the command by its rules; ``reason`` is the reject code."""

    status = HTTPStatus.UNPROCESSABLE_ENTITY

    _STATUS = {
        RejectReason.UNKNOWN_ORDER: HTTPStatus.NOT_FOUND,
        RejectReason.UNKNOWN_SYMBOL: HTTPStatus.NOT_FOUND,
        RejectReason.DUPLICATE_CLIENT_ORDER_ID: HTTPStatus.CONFLICT,
        RejectReason.DUPLICATE_REFERENCE: HTTPStatus.CONFLICT,
        RejectReason.DEADLINE_PASSED: HTTPStatus.SERVICE_UNAVAILABLE,
    }
    _FIELD = {
        RejectReason.UNKNOWN_SYMBOL: "symbol",
        RejectReason.INSTRUMENT_NOT_TRADING: "symbol",
        RejectReason.INVALID_CLIENT_ORDER_ID: "client_order_id",
        RejectReason.DUPLICATE_CLIENT_ORDER_ID: "client_order_id",
        RejectReason.INVALID_QUANTITY: "quantity",
        RejectReason.QUANTITY_TOO_LARGE: "quantity",
        RejectReason.INVALID_PRICE: "price",
        RejectReason.INVALID_TIME_IN_FORCE: "time_in_force",
        RejectReason.NOTIONAL_TOO_SMALL: "quantity",
        RejectReason.NOTIONAL_TOO_LARGE: "quantity",
        RejectReason.UNKNOWN_ASSET: "asset",
        RejectReason.INVALID_AMOUNT: "amount",
        RejectReason.INVALID_STOP_PRICE: "stop_price",
        RejectReason.STOP_WOULD_TRIGGER: "stop_price",
        RejectReason.INVALID_DISPLAY_QUANTITY: "display_quantity",
        RejectReason.INVALID_EXPIRE_TIME: "expires_at",
        RejectReason.PRICE_OUTSIDE_BAND: "price",
        RejectReason.QUANTITY_BELOW_FILLED: "quantity",
        RejectReason.INVALID_TIMEOUT: "timeout_ms",
    }

    def __init__(self, reason: RejectReason) -> None:
        self.reason = reason
        self.status = self._STATUS.get(reason, HTTPStatus.UNPROCESSABLE_ENTITY)
        if self.status is HTTPStatus.SERVICE_UNAVAILABLE:
            self.retry_after_s = 1
        super().__init__(MESSAGES[reason], field=self._FIELD.get(reason), code=reason.value)
