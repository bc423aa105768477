"""Integer units and the bounds that every number in the engine obeys.

Prices are ticks, quantities lots, money minor units of an asset, time nanoseconds since the epoch
(UTC). The bounds keep every stored number inside a signed 64-bit database column, and every price
and quantity inside the integers that a JavaScript client can represent exactly.
"""

from enum import Enum

MAX_PRICE_TICKS = 10**12
MAX_QUANTITY_LOTS = 10**15
MAX_SUPPLY_MINOR = 2**62
"""Most minor units of one asset that may exist in the venue (deposits less withdrawals)."""
MAX_NOTIONAL_MINOR = MAX_SUPPLY_MINOR
"""Most that a limit order's price x quantity may come to. More could never be paid at once, but
bit by bit; and what an order has traded for, at twice this at most, must fit a database column."""
MAX_FEE_PPM = 100_000
"""Fees are parts per million of the amount received; 100,000 is ten percent."""
MAX_DECIMALS = 12
PPM = 1_000_000
MAX_CLIENT_ORDER_ID_LENGTH = 36
MAX_SYMBOL_LENGTH = 24
MAX_ASSET_LENGTH = 10
MAX_REFERENCE_LENGTH = 64
MAX_ID = 2**63 - 1
"""Largest account id and epoch."""
MAX_UNIT_MINOR = 10**18
"""Largest lot_minor and tick_lot_minor of an instrument."""
MAX_OPEN_ORDERS = 200_000
"""Most resting orders of one account. One account may replay a whole recorded book."""
MAX_FILLS = 50_000
"""Most trades that one order makes as it comes in, so that one command cannot hold up the venue or
make more events than tables and messages have room for."""
CLIENT_ORDER_ID_MEMORY = 100_000
"""How many client order ids of finished orders the venue remembers, over all accounts."""

FEE_ACCOUNT_ID = 0
"""The venue's own account, which receives every fee."""


class Side(Enum):
    BUY = "buy"
    SELL = "sell"


class OrderType(Enum):
    LIMIT = "limit"
    MARKET = "market"


class TimeInForce(Enum):
    GTC = "GTC"
    IOC = "IOC"
    FOK = "FOK"


class InstrumentStatus(Enum):
    TRADING = "trading"
    CANCEL_ONLY = "cancel_only"
    HALTED = "halted"
    """As cancel-only, announced as a halt: new orders are refused, cancels are allowed."""


class AccountStatus(Enum):
    ACTIVE = "active"
    CLOSED = "closed"
    """No new orders; open ones are canceled as it closes. Withdrawals stay possible."""


class CancelReason(Enum):
    """Why an accepted order left the book, or never rested, before it was filled."""

    USER = "user"
    OPERATOR = "operator"
    IOC_REMAINDER = "ioc_remainder"
    FOK_UNFILLABLE = "fok_unfillable"
    MARKET_REMAINDER = "market_remainder"
    FILL_LIMIT = "fill_limit"
    ACCOUNT_CLOSED = "account_closed"
