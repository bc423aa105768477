"""Users, and the tables about their money: assets, wallets, the ledger, notifications.

A user's id is its account id in the engine. ``Asset``, ``Wallet``, ``LedgerEntry`` and the
notifications of events are projections (``accounts/projections.py``) and may name accounts that are
no users: the fee account, the outside world. So they hold account ids and no foreign keys.
"""

from django.contrib.auth.models import AbstractUser
from django.db import models
from django.db.models.functions import Lower

from accounts.validators import MAX_EMAIL_LENGTH, MAX_USERNAME_LENGTH, UsernameValidator
from orderbook.core.units import MAX_ASSET_LENGTH, MAX_REFERENCE_LENGTH, AccountStatus

EXTERNAL_ACCOUNT_ID = -1
"""The other side of deposits and withdrawals: minus what it holds of an asset is the venue's."""


class User(AbstractUser):
    """A person or program that signs in."""

    username = models.CharField(
        max_length=MAX_USERNAME_LENGTH,
        unique=True,
        validators=[UsernameValidator()],
        help_text="Letters, digits and . _ + - only.",
        error_messages={"unique": "Another user has this name."},
    )
    email = models.EmailField("e-mail address", max_length=MAX_EMAIL_LENGTH)
    """Kept in lower case."""
    notify = models.BooleanField(
        default=True, help_text="Gets notifications of fills, cancels, rejects and deposits."
    )
    funds_due = models.BooleanField(default=False, editable=False)
    """Demonstration funds are owed and not yet certainly deposited."""
    engine_status = models.CharField(
        max_length=8,
        blank=True,
        default="",
        editable=False,
        choices=[(status.value, status.name.title()) for status in AccountStatus],
    )
    """What the engine was last told; it is told again while this differs from ``is_active``."""

    class Meta(AbstractUser.Meta):
        constraints = [
            models.UniqueConstraint(
                Lower("email"),
                name="accounts_user_email_ci",
                violation_error_message="Another user has this e-mail address.",
            ),
            models.UniqueConstraint(
                Lower("username"),
                name="accounts_user_username_ci",
                violation_error_message="Another user has this name; capitals make no difference.",
            ),
        ]
        indexes = [
            models.Index(
                fields=["id"],
                name="accounts_user_funds_due",
                condition=models.Q(funds_due=True),
            )
        ]
        permissions = [
            ("trade", "May place orders"),
            ("adjust_balance", "May credit and debit accounts"),
            ("run_reconciliation", "May start a reconciliation"),
        ]


class Asset(models.Model):
    """Something that balances are kept in; amounts are whole minor units, 10**-decimals."""

    code = models.CharField(max_length=MAX_ASSET_LENGTH, primary_key=True)
    decimals = models.PositiveSmallIntegerField()

    def __str__(self) -> str:
        return self.code


class Wallet(models.Model):
    """An account's balance of one asset, as of ``sequence``."""

    account_id = models.BigIntegerField()
    asset = models.CharField(max_length=MAX_ASSET_LENGTH)
    available_minor = models.BigIntegerField()
    held_minor = models.BigIntegerField()
    sequence = models.BigIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["account_id", "asset"], name="accounts_wallet_account")
        ]

    def __str__(self) -> str:
        return f"{self.asset} of account {self.account_id}"


class LedgerEntry(models.Model):
    """One posting. The postings of one command sum to zero in each asset.

    ``id`` tells the journal sequence and the place among the command's postings
    (``accounts/postings.py``), so that an event cannot be posted twice.
    """

    class Kind(models.TextChoices):
        DEPOSIT = "deposit"
        WITHDRAWAL = "withdrawal"
        TRADE = "trade"
        FEE = "fee"
        REBATE = "rebate"
        BUST = "bust"

    id = models.BigIntegerField(primary_key=True)
    time_ns = models.BigIntegerField()
    account_id = models.BigIntegerField()
    asset = models.CharField(max_length=MAX_ASSET_LENGTH)
    amount_minor = models.BigIntegerField()
    kind = models.CharField(max_length=10, choices=Kind.choices)
    reference = models.CharField(max_length=MAX_REFERENCE_LENGTH, blank=True)
    """A trade's id (of trades, their fees and rebates, and busts), or what the depositor wrote."""

    class Meta:
        verbose_name_plural = "ledger entries"
        indexes = [models.Index(fields=["account_id", "id"], name="accounts_ledger_account")]

    def __str__(self) -> str:
        return f"{self.kind} {self.amount_minor} {self.asset}, account {self.account_id}"


class Notification(models.Model):
    """Something that a user should hear of. ``id`` as in LedgerEntry; ``data`` by kind."""

    class Kind(models.TextChoices):
        FILL = "fill"
        CANCEL = "cancel"
        REJECT = "reject"
        TRIGGER = "trigger"
        BUST = "bust"
        DEPOSIT = "deposit"
        WITHDRAWAL = "withdrawal"
        RECONCILIATION = "reconciliation"

    id = models.BigIntegerField(primary_key=True)
    time_ns = models.BigIntegerField()
    account_id = models.BigIntegerField()
    kind = models.CharField(max_length=14, choices=Kind.choices)
    data = models.JSONField()

    class Meta:
        indexes = [models.Index(fields=["account_id", "id"], name="accounts_notification_account")]

    def __str__(self) -> str:
        return f"{self.kind}, account {self.account_id}"


class NotificationsRead(models.Model):
    """Every notification of the account up to and including this id has been read.

    Beside the notifications, not in them: they can be rebuilt from the journal, this cannot.
    """

    account_id = models.BigIntegerField(primary_key=True)
    read_to_id = models.BigIntegerField(default=0)

    def __str__(self) -> str:
        return f"account {self.account_id} to {self.read_to_id}"


class ReconciliationRun(models.Model):
    """The result of comparing tables, engine and deposits once (``accounts/reconciliation.py``)."""

    class Source(models.TextChoices):
        ENGINE = "engine", "The running engine"
        JOURNAL = "journal", "A replay of the journal"

    class Result(models.TextChoices):
        AGREED = "agreed"
        DIFFERED = "differed"
        FAILED = "failed"

    started_at = models.DateTimeField()
    finished_at = models.DateTimeField()
    source = models.CharField(max_length=8, choices=Source.choices)
    sequence = models.BigIntegerField(default=0)
    """The journal sequence at which everything was compared."""
    result = models.CharField(max_length=8, choices=Result.choices)
    checked_count = models.BigIntegerField(default=0)
    difference_count = models.BigIntegerField(default=0)
    differences = models.JSONField(default=list)
    """The first of them; each says what was compared, where, and both values."""
    failure = models.TextField(blank=True)

    def __str__(self) -> str:
        return f"{self.started_at:%Y-%m-%d %H:%M} {self.result}"
