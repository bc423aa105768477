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
    INVALID_ORDER = "invalid_order"
    INVALID_STOP_PRICE = "invalid_stop_price"
    STOP_WOULD_TRIGGER = "stop_would_trigger"
    INVALID_DISPLAY_QUANTITY = "invalid_display_quantity"
    INVALID_EXPIRE_TIME = "invalid_expire_time"
    POST_ONLY_WOULD_TRADE = "post_only_would_trade"
    PRICE_OUTSIDE_BAND = "price_outside_band"
    NOT_IN_THIS_PHASE = "not_in_this_phase"
    TOO_MANY_ORDERS_A_SECOND = "too_many_orders_a_second"
    TOO_MANY_MESSAGES_A_SECOND = "too_many_messages_a_second"
    TOO_MANY_TRAILING_STOPS = "too_many_trailing_stops"
    KILL_SWITCH = "kill_switch"
    INVALID_LIST = "invalid_list"
    INVALID_BATCH = "invalid_batch"
    BATCH_CROSSES_ITSELF = "batch_crosses_itself"
    AMEND_NOT_ALLOWED = "amend_not_allowed"
    QUANTITY_BELOW_FILLED = "quantity_below_filled"
    INVALID_TIMEOUT = "invalid_timeout"
    INVALID_LIMITS = "invalid_limits"
    INVALID_SCHEDULE = "invalid_schedule"
    INVALID_FEE_SCHEDULE = "invalid_fee_schedule"
    UNKNOWN_TRADE = "unknown_trade"
    ALREADY_BUSTED = "already_busted"
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
        "A market order is IOC or FOK, by quote amount IOC; a post-only or iceberg order, and one "
        "that waits for a stop price, is GTC, DAY or GTD."
    ),
    RejectReason.NO_LIQUIDITY: (
        "There is no order on the other side for a market order to trade with."
    ),
    RejectReason.NOTIONAL_TOO_SMALL: (
        "Price times quantity is below the instrument's minimum notional."
    ),
    RejectReason.NOTIONAL_TOO_LARGE: (
        "Price times quantity is more than the instrument or the venue allows."
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
    RejectReason.INVALID_ORDER: (
        "The order has a field that its type does not take, or lacks one that it needs."
    ),
    RejectReason.INVALID_STOP_PRICE: (
        "The stop price must be a positive multiple of the tick size; a trailing stop needs a last "
        "or reference price to start from."
    ),
    RejectReason.STOP_WOULD_TRIGGER: (
        "The last trade is at or beyond the stop price already; use a market or limit order."
    ),
    RejectReason.INVALID_DISPLAY_QUANTITY: (
        "The display quantity must be at least a hundredth of the order and no larger than it."
    ),
    RejectReason.INVALID_EXPIRE_TIME: (
        "A GTD order needs an expiry in the future; other orders take none."
    ),
    RejectReason.POST_ONLY_WOULD_TRADE: "The post-only order would trade on arrival.",
    RejectReason.PRICE_OUTSIDE_BAND: (
        "The price is outside the instrument's band around the reference price."
    ),
    RejectReason.NOT_IN_THIS_PHASE: (
        "The instrument's present phase takes no such order; auctions take limit orders that "
        "may rest."
    ),
    RejectReason.TOO_MANY_ORDERS_A_SECOND: (
        "The account has sent more orders in this second than it may."
    ),
    RejectReason.TOO_MANY_MESSAGES_A_SECOND: (
        "The account has sent more messages in this second than it may."
    ),
    RejectReason.TOO_MANY_TRAILING_STOPS: (
        "The instrument has as many waiting trailing stops as it may have."
    ),
    RejectReason.KILL_SWITCH: (
        "The kill switch of the account or of the venue is engaged; no new orders are taken."
    ),
    RejectReason.INVALID_LIST: (
        "The orders of the list do not fit together; see the rules of OCO and bracket orders."
    ),
    RejectReason.INVALID_BATCH: (
        "A batch has 1 to 50 commands of its own account; all-or-nothing takes cancels, then "
        "limit orders that may rest."
    ),
    RejectReason.BATCH_CROSSES_ITSELF: (
        "Two orders of an all-or-nothing batch would trade with each other."
    ),
    RejectReason.AMEND_NOT_ALLOWED: (
        "This value of this order cannot be amended; cancel it and place a new one."
    ),
    RejectReason.QUANTITY_BELOW_FILLED: (
        "The new quantity must be more than what is filled already."
    ),
    RejectReason.INVALID_TIMEOUT: "The timeout must be 0 or from one second to one day.",
    RejectReason.INVALID_LIMITS: (
        "A limit must be 0 or a positive number within the venue's bounds."
    ),
    RejectReason.INVALID_SCHEDULE: (
        "A schedule has up to 16 ascending times of day, each with a phase."
    ),
    RejectReason.INVALID_FEE_SCHEDULE: (
        "Fee tiers start at volume 0 and ascend; rebates may not exceed the lowest taker fee."
    ),
    RejectReason.UNKNOWN_TRADE: "The trade is not one that this venue made.",
    RejectReason.ALREADY_BUSTED: "The trade is busted already.",
    RejectReason.STALE_EPOCH: "A newer epoch is open; this engine is no longer the leader.",
}
