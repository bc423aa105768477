"""Reject codes: every reason for which the engine refuses a command.

The code is the stable name that clients see; ``MESSAGES`` says what was wrong and what would be
right. docs/matching-rules.md lists them in the order in which the engine checks them.
"""

from enum import Enum


class RejectReason(Enum):
    DEADLINE_PASSED = "deadline_passed"
    DEADLINE_TOO_FAR = "deadline_too_far"
    UNKNOWN_SYMBOL = "unknown_symbol"
    INSTRUMENT_NOT_TRADING = "instrument_not_trading"
    UNKNOWN_ACCOUNT = "unknown_account"
    ACCOUNT_CLOSED = "account_closed"
    INVALID_CLIENT_ORDER_ID = "invalid_client_order_id"
    DUPLICATE_CLIENT_ORDER_ID = "duplicate_client_order_id"
    INVALID_QUANTITY = "invalid_quantity"
    QUANTITY_TOO_LARGE = "quantity_too_large"
    INVALID_PRICE = "invalid_price"
    INVALID_TIME_IN_FORCE = "invalid_time_in_force"
    NO_LIQUIDITY = "no_liquidity"
    NOTIONAL_TOO_SMALL = "notional_too_small"
    NOTIONAL_TOO_LARGE = "notional_too_large"
    INSUFFICIENT_BALANCE = "insufficient_balance"
    TOO_MANY_OPEN_ORDERS = "too_many_open_orders"
    UNKNOWN_ORDER = "unknown_order"
    UNKNOWN_ASSET = "unknown_asset"
    INVALID_AMOUNT = "invalid_amount"
    SUPPLY_LIMIT = "supply_limit"
    INVALID_REFERENCE = "invalid_reference"
    DUPLICATE_REFERENCE = "duplicate_reference"
    INVALID_DEFINITION = "invalid_definition"
    UNITS_FIXED = "units_fixed"
    STALE_EPOCH = "stale_epoch"


MESSAGES: dict[RejectReason, str] = {
    RejectReason.DEADLINE_PASSED: "The command arrived after its deadline and was not executed.",
    RejectReason.DEADLINE_TOO_FAR: (
        "The command's deadline is too far ahead; are the clocks of the venue's hosts in step?"
    ),
    RejectReason.UNKNOWN_SYMBOL: "No instrument has this symbol; GET /api/v1/markets lists them.",
    RejectReason.INSTRUMENT_NOT_TRADING: (
        "The instrument takes no new orders now; cancels are allowed."
    ),
    RejectReason.UNKNOWN_ACCOUNT: (
        "The engine does not know this account; its first deposit opens it."
    ),
    RejectReason.ACCOUNT_CLOSED: "The account is closed and may not place orders.",
    RejectReason.INVALID_CLIENT_ORDER_ID: (
        "A client order id has 1 to 36 characters: letters, digits and . : / _ -"
    ),
    RejectReason.DUPLICATE_CLIENT_ORDER_ID: (
        "The account has used this client order id already; "
        "GET /api/v1/orders/client:{id} shows its order."
    ),
    RejectReason.INVALID_QUANTITY: "The quantity must be a positive multiple of the lot size.",
    RejectReason.QUANTITY_TOO_LARGE: "The quantity is larger than the instrument's maximum.",
    RejectReason.INVALID_PRICE: "The price must be a positive multiple of the tick size.",
    RejectReason.INVALID_TIME_IN_FORCE: (
        "A market order is IOC or FOK; a limit order GTC, IOC or FOK."
    ),
    RejectReason.NO_LIQUIDITY: (
        "There is no order on the other side for a market order to trade with."
    ),
    RejectReason.NOTIONAL_TOO_SMALL: (
        "Price times quantity is below the instrument's minimum notional."
    ),
    RejectReason.NOTIONAL_TOO_LARGE: (
        "Price times quantity is more than the venue may hold of the quote asset."
    ),
    RejectReason.INSUFFICIENT_BALANCE: (
        "The available balance does not cover the order or the withdrawal."
    ),
    RejectReason.TOO_MANY_OPEN_ORDERS: (
        "The account has as many open orders as it may have; cancel some first."
    ),
    RejectReason.UNKNOWN_ORDER: "The account has no open order with this id.",
    RejectReason.UNKNOWN_ASSET: "No asset has this code.",
    RejectReason.INVALID_AMOUNT: "The amount must be a positive number of the asset's minor units.",
    RejectReason.SUPPLY_LIMIT: "The deposit would exceed what the venue may hold of this asset.",
    RejectReason.INVALID_REFERENCE: (
        "A reference has at most 64 characters, none of them a control character."
    ),
    RejectReason.DUPLICATE_REFERENCE: (
        "The account has a deposit or withdrawal with this reference already."
    ),
    RejectReason.INVALID_DEFINITION: "The definition has a value out of bounds.",
    RejectReason.UNITS_FIXED: (
        "Assets and units are fixed once defined; define a new symbol instead."
    ),
    RejectReason.STALE_EPOCH: "A newer epoch is open; this engine is no longer the leader.",
}
