"""The record of what operators did. Any part of the venue writes it; nothing changes it."""

from typing import Any, Protocol

import structlog

from orderbook.models import AuditEntry

MAX_TARGET_LENGTH = 200
MAX_OUTCOME_LENGTH = 200
DONE = "done"


class Actor(Protocol):
    """Whoever acts: a user."""

    @property
    def pk(self) -> Any: ...

    def get_username(self) -> str: ...


def record(
    actor: Actor,
    action: str,
    target: str,
    *,
    details: dict[str, Any] | None = None,
    outcome: str = DONE,
    sequence: int = 0,
) -> AuditEntry:
    """Writes one entry. ``action`` is a stable name such as "account.credit"; ``outcome`` is
    "done" or the code of a refusal; ``sequence`` is that of the command that carried it out."""
    request_id = structlog.contextvars.get_contextvars().get("request_id", "")
    return AuditEntry.objects.create(
        actor_id=actor.pk,
        actor_name=actor.get_username(),
        action=action,
        target=target[:MAX_TARGET_LENGTH],
        details=details or {},
        outcome=outcome[:MAX_OUTCOME_LENGTH],
        sequence=sequence,
        request_id=str(request_id),
    )
