"""What can go wrong with accounts, as callers are told."""

from http import HTTPStatus

from orderbook.errors import InvalidInput, VenueError


class NotAuthenticated(VenueError):
    code = "not_authenticated"
    status = HTTPStatus.UNAUTHORIZED
    message = "Authentication credentials were not provided."


class TokenInvalid(NotAuthenticated):
    code = "token_invalid"
    message = "The token is not one of this venue's access tokens, or its user may not sign in."


class TokenExpired(NotAuthenticated):
    code = "token_expired"
    message = "The token has expired; get a new one from /api/v1/token/refresh."


class InvalidCredentials(NotAuthenticated):
    """Wrong name, wrong password, closed account: one answer for all, so that none can be told."""

    code = "invalid_credentials"
    message = "There is no active user with this name and password."


class UsernameTaken(VenueError):
    code = "username_taken"
    status = HTTPStatus.CONFLICT
    message = "Another user has this name; capitals make no difference."

    def __init__(self) -> None:
        super().__init__(field="username")


class EmailTaken(VenueError):
    code = "email_taken"
    status = HTTPStatus.CONFLICT
    message = "Another user has this e-mail address."

    def __init__(self) -> None:
        super().__init__(field="email")


class EmailNotVerified(VenueError):
    code = "email_not_verified"
    status = HTTPStatus.FORBIDDEN
    message = "Follow the link in the mail that was sent to the account's address, then sign in."


class TradingNotAllowed(VenueError):
    """Places no orders. The user may still look, and cancel what it has placed before."""

    code = "permission_denied"
    status = HTTPStatus.FORBIDDEN
    message = "Your account may look but not trade; ask the venue's operator."


class PasswordTooWeak(InvalidInput):
    code = "password_too_weak"


class TooManyRequests(VenueError):
    code = "too_many_requests"
    status = HTTPStatus.TOO_MANY_REQUESTS

    def __init__(self, retry_after_s: int) -> None:
        self.retry_after_s = retry_after_s
        super().__init__(f"Too many attempts; try again in {retry_after_s} seconds.")


class LimiterUnavailable(VenueError):
    code = "rate_limiter_unavailable"
    status = HTTPStatus.SERVICE_UNAVAILABLE
    message = "Attempts cannot be counted now, so none is allowed. Try again shortly."
    retry_after_s = 1


class UnknownAsset(InvalidInput):
    code = "unknown_asset"

    def __init__(self) -> None:
        super().__init__("No asset has this code.", field="asset")
