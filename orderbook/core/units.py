"""Integer units and the bounds that every number in the engine obeys.

Prices are ticks, quantities lots, money minor units of an asset, time nanoseconds since the epoch
(UTC). The bounds keep every stored number inside a signed 64-bit database column, and every price
and quantity inside the integers that a JavaScript client can represent exactly.

What is Final is compiled into the compiled build. Most limits are
not, so that tests can lower them.
"""

from enum import Enum
from typing import Final

MAX_PRICE_TICKS: Final = 10**12
MAX_QUANTITY_LOTS = 10**15
MAX_SUPPLY_MINOR: Final = 2**62
"""Most minor units of one asset that may exist in the venue (deposits less withdrawals)."""
MAX_NOTIONAL_MINOR: Final = MAX_SUPPLY_MINOR
"""Most that a limit order's price x quantity may come to. More could never be paid at once, but
bit by bit; and what an order has traded for, at twice this at most, must fit a database column."""
MAX_FEE_PPM = 100_000
"""Fees are parts per million of the amount received; 100,000 is ten percent."""
MAX_BAND_PPM = 1_000_000
"""Widest price band: 100 percent either way of its centre. 0 switches a band off."""
MAX_FEE_TIERS = 10
FEE_VOLUME_DAYS = 30
"""A fee tier is earned by what was traded in this many full UTC days before today."""
MAX_DECIMALS: Final = 12
PPM: Final = 1_000_000
MAX_CLIENT_ORDER_ID_LENGTH: Final = 36
MAX_SYMBOL_LENGTH: Final = 24
MAX_ASSET_LENGTH: Final = 10
MAX_REFERENCE_LENGTH: Final = 64
MAX_ID: Final = 2**63 - 1
"""Largest account id and epoch."""
MAX_UNIT_MINOR: Final = 10**18
"""Largest lot_minor and tick_lot_minor of an instrument."""
MAX_OPEN_ORDERS = 200_000
"""Most resting orders of one account. One account may replay a whole recorded book."""
MAX_FILLS = 50_000
"""Most trades that one order makes as it comes in, so that one command cannot hold up the venue or
make more events than tables and messages have room for."""
MAX_TRAILING_STOPS = 1_000
"""Most trailing stops that wait in one instrument, because each new extreme moves all of them."""
MAX_TRIGGERS = 1_000
"""Most waiting orders that one command sets off; those behind them go with the next one."""
MAX_COMMAND_TRADES = 50_000
"""Once so many trades are made, one command begins nothing more: what was set off goes with the
next one, and orders of a batch that could trade are canceled."""
MAX_TIMERS = 1_000
"""Most timers (expiries and the like) that one AdvanceTime fires; the rest stays due."""
MAX_BATCH_COMMANDS = 50
MAX_SCHEDULE_ENTRIES = 16
MAX_DISPLAY_PARTS = 100
"""An iceberg shows at least a hundredth of its quantity."""
MAX_RATE = 1_000_000
"""Largest rate limit of an account, a second."""
MIN_DEAD_MAN_NS = 1_000_000_000
MAX_DEAD_MAN_NS = 86_400_000_000_000
MAX_PAUSE_NS = 86_400_000_000_000
MAX_TIME_NS: Final = 2**63 - 1
SECOND_NS: Final = 1_000_000_000
DAY_NS: Final = 86_400_000_000_000
INDICATION_INTERVAL_NS = 250_000_000
"""How often a collecting auction publishes its indicative price, at most."""
INDICATION_LEVEL_NS = 50_000
"""That is less often in a deep book: so long for each of its price levels, several times what it
takes to look at one, so that no book can keep the venue busy with its indications."""
CLIENT_ORDER_ID_MEMORY = 100_000
"""How many client order ids of finished orders the venue remembers, over all accounts."""

FEE_ACCOUNT_ID: Final = 0
"""The venue's own account, which receives every fee."""


class Side(Enum):
    BUY = "buy"
    SELL = "sell"


class OrderType(Enum):
    LIMIT = "limit"
    MARKET = "market"
    STOP_MARKET = "stop_market"
    """Waits until the last trade is at its stop price or worse, then a market order."""
    STOP_LIMIT = "stop_limit"
    TAKE_PROFIT_MARKET = "take_profit_market"
    """Waits until the last trade is at its stop price or better, then a market order."""
    TAKE_PROFIT_LIMIT = "take_profit_limit"
    TRAILING_STOP = "trailing_stop"
    """A stop-market whose stop price follows the best price since entry at a fixed distance."""


class TimeInForce(Enum):
    GTC = "GTC"
    IOC = "IOC"
    FOK = "FOK"
    DAY = "DAY"
    """Until the instrument closes or the UTC day ends, whichever comes first."""
    GTD = "GTD"
    """Until ``expire_time_ns``."""


class PostOnly(Enum):
    OFF = "off"
    REJECT = "reject"
    """Refused where it would trade on arrival."""
    REPRICE = "reprice"
    """Moved to one tick from the other side where it would trade on arrival."""


class SelfTradePrevention(Enum):
    """What happens when an order meets a resting one of its own account. The taker's rule holds."""

    NONE = "none"
    CANCEL_NEWEST = "cancel_newest"
    """The taker's remainder is canceled."""
    CANCEL_OLDEST = "cancel_oldest"
    """The resting order is canceled; the taker goes on."""
    CANCEL_BOTH = "cancel_both"
    DECREMENT = "decrement"
    """Both lose the smaller one's quantity without a trade; what then has none left is canceled."""


class OrderListKind(Enum):
    OCO = "oco"
    """One cancels the other: two orders of one side and quantity."""
    BRACKET = "bracket"
    """An entry; what it fills is then protected by an OCO of take-profit and stop."""


class InstrumentStatus(Enum):
    """The phase that an instrument's market is in."""

    PRE_OPEN = "pre_open"
    """Limit orders are collected, nothing is published or matched."""
    OPENING_AUCTION = "opening_auction"
    """Limit orders are collected, an indicative price is published; leaving it uncrosses."""
    TRADING = "trading"
    """Continuous trading."""
    POST_ONLY = "post_only"
    """Continuous, but only orders that rest are taken."""
    CLOSING_AUCTION = "closing_auction"
    CANCEL_ONLY = "cancel_only"
    HALTED = "halted"
    """As cancel-only, announced as a halt: new orders are refused, cancels are allowed."""
    CLOSED = "closed"
    """After the day: DAY orders expire as it begins; cancels are allowed."""


class PhaseReason(Enum):
    OPERATOR = "operator"
    SCHEDULE = "schedule"
    VOLATILITY = "volatility"
    """A trade beyond the dynamic band was prevented; an auction finds the price anew."""
    VOLATILITY_END = "volatility_end"


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
    REPLACED = "replaced"
    EXPIRED = "expired"
    SELF_TRADE = "self_trade"
    PRICE_BAND = "price_band"
    POST_ONLY = "post_only"
    """A waiting or amended post-only order would have traded."""
    OTHER_LEG = "other_leg"
    """The other order of its list traded, was set off, or ended."""
    KILL_SWITCH = "kill_switch"
    DEAD_MAN = "dead_man"
    DISCONNECTED = "disconnected"
    INSUFFICIENT_BALANCE = "insufficient_balance"
    """A stop was set off and its account could not pay for it any more."""
    NO_LIQUIDITY = "no_liquidity"
    PHASE = "phase"
    """Of older journals only: what is set off in a phase that does not take it waits now."""
    UNTRADEABLE = "untradeable"
    """What is left of a quote amount, or of a bracket's fill, is less than one lot."""
