"""Values that commands and events share: what an order asks for beyond price and quantity, fees."""

from msgspec import Struct

from orderbook.core.units import PostOnly, SelfTradePrevention


class OrderOptions(Struct, frozen=True, array_like=True, gc=False):
    """What most orders do without. A field that is not used is at its default.

    In an ``OrderAccepted`` the values are those that hold for the order: the account's default of
    ``self_trade``, the end of the day of a DAY order, a trailing stop's first ``stop_ticks``.
    """

    quote_minor: int = 0
    """Market orders: spend, or receive, at most this much of the quote asset."""
    stop_ticks: int = 0
    """Stop and take-profit orders: the last-trade price that sets them off."""
    trail_ticks: int = 0
    """Trailing stops: distance of the stop price from the best last-trade price since entry."""
    display_lots: int = 0
    """Icebergs: what is shown at a time; 0: everything."""
    post_only: PostOnly = PostOnly.OFF
    self_trade: SelfTradePrevention | None = None
    """None: the account's default."""
    expire_time_ns: int = 0
    """GTD orders: when they end."""


NO_OPTIONS = OrderOptions()


class FeeTier(Struct, frozen=True, array_like=True, gc=False):
    """Fees of an account that traded at least this much in the thirty days before today."""

    min_volume_minor: int
    """In the instrument's quote asset."""
    maker_fee_ppm: int
    """Negative: a rebate, paid out of the taker's fee in the asset that the taker received."""
    taker_fee_ppm: int
