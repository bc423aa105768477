"""Orders and fills as tables: what the journal says, in rows; and what operators ask for.

Orders and fills are written by ``trading/projections.py`` only, and rebuilt from the journal at any
time. Integers as in the engine (ticks, lots, minor units, nanoseconds); enumerations as the words
that the API uses. Requests of operators are written by ``trading/operator_requests.py``.
"""

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from orderbook.core.units import (
    MAX_ASSET_LENGTH,
    MAX_CLIENT_ORDER_ID_LENGTH,
    MAX_SYMBOL_LENGTH,
    CancelReason,
    OrderType,
    PostOnly,
    SelfTradePrevention,
    Side,
    TimeInForce,
)
from trading.order_state import OPEN_STATUSES, STATUSES


class Order(models.Model):
    """An order that the engine accepted, as it is after ``updated_sequence``."""

    id = models.BigIntegerField(primary_key=True)
    """The engine's order id."""
    account_id = models.BigIntegerField()
    symbol = models.CharField(max_length=MAX_SYMBOL_LENGTH)
    side = models.CharField(max_length=4, choices=[(side.value, side.value) for side in Side])
    type = models.CharField(max_length=20, choices=[(kind.value, kind.value) for kind in OrderType])
    time_in_force = models.CharField(
        max_length=3, choices=[(force.value, force.value) for force in TimeInForce]
    )
    price_ticks = models.BigIntegerField()
    """0 for a market order."""
    quantity_lots = models.BigIntegerField()
    filled_lots = models.BigIntegerField(default=0)
    quote_filled_minor = models.BigIntegerField(default=0)
    """What changed hands for ``filled_lots``, in the quote asset, before fees."""
    fee_minor = models.BigIntegerField(default=0)
    """Fees so far, in the asset that the order receives: base for a buy, quote for a sell."""
    status = models.CharField(max_length=16, choices=[(status, status) for status in STATUSES])
    client_order_id = models.CharField(max_length=MAX_CLIENT_ORDER_ID_LENGTH, blank=True)
    cancel_reason = models.CharField(
        max_length=24, blank=True, choices=[(reason.value, reason.value) for reason in CancelReason]
    )
    created_ns = models.BigIntegerField()
    updated_ns = models.BigIntegerField()
    created_sequence = models.BigIntegerField()
    updated_sequence = models.BigIntegerField()
    """Every event up to this journal sequence is in the row; readers overlay only later ones."""
    stop_ticks = models.BigIntegerField(default=0)
    """The last-trade price that sets the order off; of a trailing stop, where it stands now."""
    trail_ticks = models.BigIntegerField(default=0)
    display_lots = models.BigIntegerField(default=0)
    """What an iceberg shows at a time."""
    quote_limit_minor = models.BigIntegerField(default=0)
    """What a market order by quote amount may spend or receive at most."""
    post_only = models.CharField(
        max_length=8,
        default=PostOnly.OFF.value,
        choices=[(one.value, one.value) for one in PostOnly],
    )
    self_trade = models.CharField(
        max_length=16,
        default=SelfTradePrevention.NONE.value,
        choices=[(rule.value, rule.value) for rule in SelfTradePrevention],
    )
    expire_ns = models.BigIntegerField(default=0)
    list_id = models.BigIntegerField(default=0)
    """Id of the first order of its OCO or bracket; 0 for an order on its own."""
    rebate_minor = models.BigIntegerField(default=0)
    """Rebates so far, in the asset that the order gives."""

    class Meta:
        default_permissions = ("view",)
        permissions = [("cancel_any_order", "Can cancel anybody's order")]
        indexes = [
            models.Index(fields=["account_id", "id"], name="order_account"),
            models.Index(
                fields=["account_id", "id"],
                name="order_account_open",
                condition=Q(status__in=OPEN_STATUSES),
            ),
            models.Index(
                fields=["account_id", "client_order_id", "id"],
                name="order_client_order_id",
                condition=~Q(client_order_id=""),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.id} {self.side} {self.symbol}"


class Fill(models.Model):
    """One side of one trade: two rows for each ``Trade`` event."""

    id = models.BigIntegerField(primary_key=True)
    """``2 * trade_id + is_maker``: unique for a trade's side, the same after every rebuild, and in
    the order in which the trades happened (``trading.order_state.fill_id``)."""
    trade_id = models.BigIntegerField()
    is_maker = models.BooleanField()
    order_id = models.BigIntegerField(db_index=True)
    account_id = models.BigIntegerField()
    symbol = models.CharField(max_length=MAX_SYMBOL_LENGTH)
    side = models.CharField(max_length=4, choices=[(side.value, side.value) for side in Side])
    price_ticks = models.BigIntegerField()
    quantity_lots = models.BigIntegerField()
    quote_minor = models.BigIntegerField()
    fee_minor = models.BigIntegerField()
    fee_asset = models.CharField(max_length=MAX_ASSET_LENGTH)
    time_ns = models.BigIntegerField()
    sequence = models.BigIntegerField()
    is_busted = models.BooleanField(default=False)
    """The trade was undone by the venue."""

    class Meta:
        default_permissions = ("view",)
        indexes = [
            models.Index(fields=["account_id", "id"], name="fill_account"),
            models.Index(fields=["trade_id"], name="fill_trade"),
        ]

    def __str__(self) -> str:
        return f"trade {self.trade_id} {'maker' if self.is_maker else 'taker'}"


class OperatorRequest(models.Model):
    """What one operator asks for and another one approves: a bust, a credit or a debit.

    Not derived from the journal. What is carried out is: the command refers to the request (a
    deposit's reference, a bust's trade), so that carrying it out twice does nothing twice.
    """

    class Kind(models.TextChoices):
        BUST = "bust", "Bust of a trade"
        CREDIT = "credit", "Credit of an account"
        DEBIT = "debit", "Debit of an account"

    class State(models.TextChoices):
        REQUESTED = "requested", "Waits for another operator"
        APPROVED = "approved", "Approved, not carried out yet"
        REFUSED = "refused", "Refused"
        EXECUTED = "executed", "Carried out"
        FAILED = "failed", "The engine refused it"

    kind = models.CharField(max_length=6, choices=Kind.choices)
    state = models.CharField(max_length=9, choices=State.choices, default=State.REQUESTED)
    reason = models.CharField(max_length=200)
    payload = models.JSONField()
    """Bust: trade_id and sequence, under which the journal has the trade, and symbol. Credit and
    debit: account_id, asset, amount_minor and amount, the same as a decimal string."""
    trade_id = models.BigIntegerField(null=True, editable=False)
    """Of a bust; for the constraint."""
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+"
    )
    requested_at = models.DateTimeField(auto_now_add=True)
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+", null=True, blank=True
    )
    """Who approved or refused it; whoever asked may only refuse, which withdraws it."""
    decided_at = models.DateTimeField(null=True, blank=True)
    decided_sequence = models.BigIntegerField(default=0)
    """Where the journal ended when it was approved: what carries it out comes later."""
    sequence = models.BigIntegerField(default=0)
    """Of the command that carried it out."""
    failure = models.CharField(max_length=200, blank=True)
    """Why it was not carried out, the last time that it was tried."""

    class Meta:
        default_permissions = ("view",)
        permissions = [
            ("request_bust", "Can ask for the bust of a trade"),
            ("approve_request", "Can approve what another operator asked for"),
            ("operate_kill_switch", "Can engage and release kill switches"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(state__in=("requested", "refused"))
                | (Q(decided_by__isnull=False) & ~Q(decided_by=F("requested_by"))),
                name="operator_request_four_eyes",
            ),
            models.UniqueConstraint(
                fields=["trade_id"],
                condition=Q(kind="bust", state__in=("requested", "approved", "executed")),
                name="operator_request_one_bust",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()}, request {self.pk}"
