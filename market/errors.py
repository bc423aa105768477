"""What can go wrong in market data, as callers see it."""

from http import HTTPStatus

from orderbook.errors import InvalidInput, NotFound, VenueError


class UnknownSymbol(NotFound):
    """Same code as the engine's own refusal of an order for such a symbol."""

    code = "unknown_symbol"
    message = "No instrument has this symbol; GET /api/v1/markets lists them."

    def __init__(self) -> None:
        super().__init__(field="symbol")


class MarketDataUnavailable(VenueError):
    """Neither this process's replica nor the engine can say what the book is now."""

    code = "market_data_unavailable"
    status = HTTPStatus.SERVICE_UNAVAILABLE
    message = "Market data is being rebuilt. Try again shortly."
    retry_after_s = 1


class UnknownChannel(InvalidInput):
    code = "unknown_channel"
    message = (
        "No such channel. Channels are depth@SYMBOL, trades@SYMBOL, ticker@SYMBOL and "
        "auction@SYMBOL; of feeds depth@feed:ID/SYMBOL, trades@feed:… and ticker@feed:…; and, "
        "after authentication, orders, fills and balances."
    )


class TooManyChannels(InvalidInput):
    code = "too_many_channels"


class AuthenticationNeeded(VenueError):
    code = "not_authenticated"
    status = HTTPStatus.UNAUTHORIZED
    message = 'Private channels need {"op": "auth", "token": "<access token>"} first.'


class StreamRateLimited(VenueError):
    code = "rate_limited"
    status = HTTPStatus.TOO_MANY_REQUESTS
    message = "Too many messages on this socket."
