"""What a client was told about every order that it sent, as the audit reads it later."""

from enum import Enum
from typing import Any

from msgspec import Struct, field


class Claim(Enum):
    """What one answer, or the lack of one, says about a command."""

    ACKNOWLEDGED = "acknowledged"
    EXISTS = "exists"
    """Refused as a duplicate: an order of this client order id was executed before."""
    REFUSED = "refused"
    """By a rule: not executed."""
    NOT_EXECUTED = "not executed"
    """Never sent, or the venue says that it certainly was not executed."""
    UNKNOWN = "unknown"


class Placement(Struct):
    account_id: int
    client_order_id: str
    fields: dict[str, Any]
    claims: list[Claim] = field(default_factory=list)
    answer: dict[str, Any] | None = None
    """Body of the acknowledgement."""
    found: dict[str, Any] | None = None
    """The order as a later look-up gave it, where the outcome was unknown."""
    never: bool = False
    """A later look-up, when the outcome had to be settled, found nothing."""
    last_sent_at: float = 0.0
    cancel_claims: list[Claim] = field(default_factory=list)
    cancellation: dict[str, Any] | None = None
    """Body of the acknowledged cancel of this order."""

    amend_claims: list[Claim] = field(default_factory=list)
    """One for each amend that was sent, from before it was: UNKNOWN until it is answered."""
    amendment: dict[str, Any] | None = None
    """Body of the newest acknowledged amend of this order."""

    @property
    def order(self) -> dict[str, Any] | None:
        return self.answer or self.found

    @property
    def is_unsettled(self) -> bool:
        return Claim.UNKNOWN in self.claims and self.order is None and not self.never


class CancelAll(Struct):
    account_id: int
    claim: Claim
    order_ids: list[int] = field(default_factory=list)


class Records(Struct):
    placements: list[Placement] = field(default_factory=list)
    cancel_alls: list[CancelAll] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    """What was wrong at first sight, while the flow ran."""
