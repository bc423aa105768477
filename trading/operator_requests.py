"""Four eyes: busts, credits and debits that one operator asks for and another one approves.

Promises: nobody approves what they asked for or gain by, in the service and by a constraint of the
table; an approved request is carried out at most once, however often it is tried, because the
engine knows the trade as busted, or the deposit's reference; what is busted is the trade that the
journal has, never one that a form brought. Every step is in the audit record, whatever comes of it.
"""

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts import selectors
from accounts.errors import UnknownAsset
from accounts.models import User
from orderbook import audit, journal
from orderbook.core.commands import BustTrade, Command, Deposit, Withdraw
from orderbook.core.events import Deposited, Event, Trade, TradeBusted, Withdrawn
from orderbook.core.rejects import RejectReason
from orderbook.errors import CommandRefused, EngineUnavailable, InvalidInput, VenueError
from orderbook.explanation.reading import commands_of, executed_at, rows_after
from orderbook.gateway.decimals import minor_to_text, text_to_minor
from orderbook.gateway.gateway import get_gateway
from orderbook.gateway.refusals import raise_if_refused
from trading.errors import BustRequested, FourEyes, RequestDecided, TradeNotInJournal
from trading.models import OperatorRequest

APPROVE = "trading.approve_request"
REQUEST_BUST = "trading.request_bust"
REQUEST_CREDIT = "accounts.adjust_balance"
MAX_REASON_LENGTH = 200
_Kind, _State = OperatorRequest.Kind, OperatorRequest.State
_DONE_BEFORE = (RejectReason.ALREADY_BUSTED, RejectReason.DUPLICATE_REFERENCE)


# -- asking ----------------------------------------------------------------------------------------


def request_bust(*, actor: User, trade_id: int, sequence: int, reason: str) -> OperatorRequest:
    """Asks for the bust of the trade that the journal has at ``sequence``.

    Raises TradeNotInJournal, BustRequested, InvalidInput or FourEyes (no permission).
    """
    target = f"trade {trade_id}"
    with _audited(actor, "bust.request", target, {"sequence": sequence, "reason": reason}):
        _require(actor, REQUEST_BUST)
        trade = journaled_trade(trade_id, sequence)
        payload = {"trade_id": trade_id, "sequence": sequence, "symbol": trade.symbol}
        try:
            with transaction.atomic():
                return _create(actor, _Kind.BUST, reason, payload, trade_id=trade_id)
        except IntegrityError as error:
            raise BustRequested from error


def request_credit(
    *, actor: User, account_id: int, asset: str, amount: str, reason: str
) -> OperatorRequest:
    """Asks for a credit or, where ``amount`` (a decimal string) begins with a minus, a debit.

    Raises InvalidInput, UnknownAsset or FourEyes (no permission).
    """
    details = {"asset": asset, "amount": amount, "reason": reason}
    with _audited(actor, "credit.request", f"account {account_id}", details):
        _require(actor, REQUEST_CREDIT)
        kind = _Kind.DEBIT if amount.startswith("-") else _Kind.CREDIT
        decimals = selectors.asset_decimals([asset]).get(asset)
        if decimals is None:
            raise UnknownAsset
        amount_minor = text_to_minor(amount.removeprefix("-"), decimals)
        if not amount_minor:
            raise InvalidInput("amount must not be zero.", field="amount")
        payload = {
            "account_id": account_id,
            "asset": asset,
            "amount_minor": amount_minor,
            "amount": minor_to_text(amount_minor, decimals),
        }
        return _create(actor, kind, reason, payload)


def _create(
    actor: User, kind: str, reason: str, payload: dict[str, Any], *, trade_id: int | None = None
) -> OperatorRequest:
    reason = reason.strip()
    if not 0 < len(reason) <= MAX_REASON_LENGTH:
        raise InvalidInput(f"reason must have 1 to {MAX_REASON_LENGTH} characters.", field="reason")
    return OperatorRequest.objects.create(
        kind=kind, reason=reason, payload=payload, trade_id=trade_id, requested_by=actor
    )


def journaled_trade(trade_id: int, sequence: int) -> Trade:
    """The trade as the journal has it. Raises TradeNotInJournal."""
    executed = executed_at(sequence)
    for event in executed.events if executed is not None else ():
        if isinstance(event, Trade) and event.trade_id == trade_id:
            return event
    raise TradeNotInJournal


# -- deciding --------------------------------------------------------------------------------------


def approve(request: OperatorRequest, actor: User) -> OperatorRequest:
    """Approves and carries out. Raises FourEyes, RequestDecided, EngineUnavailable or
    OutcomeUnknown; after the last two it is approved and may be carried out again. A refusal by the
    engine is no exception here: the request says that it failed, and why."""
    with _audited(actor, f"{request.kind}.approve", str(request), {}):
        _require(actor, APPROVE)
        if actor.pk == request.requested_by_id or actor.pk in parties(request):
            raise FourEyes
        _decide(request, actor, _State.APPROVED, decided_sequence=journal.last_sequence())
    return carry_out(request, actor)


def refuse(request: OperatorRequest, actor: User) -> OperatorRequest:
    """By another operator; or by who asked, who takes it back. Raises FourEyes, RequestDecided."""
    with _audited(actor, f"{request.kind}.refuse", str(request), {}):
        if actor.pk != request.requested_by_id:
            _require(actor, APPROVE)
        _decide(request, actor, _State.REFUSED)
    return request


def parties(request: OperatorRequest) -> set[int]:
    """The accounts whose money it is about."""
    if request.kind != _Kind.BUST:
        return {request.payload["account_id"]}
    trade = journaled_trade(request.payload["trade_id"], request.payload["sequence"])
    return {trade.maker_account_id, trade.taker_account_id}


def _decide(request: OperatorRequest, actor: User, state: str, **more: Any) -> None:
    """Once only, whoever else decides at the same moment."""
    waiting = OperatorRequest.objects.filter(pk=request.pk, state=_State.REQUESTED)
    decided = waiting.update(state=state, decided_by=actor, decided_at=timezone.now(), **more)
    request.refresh_from_db()
    if not decided:
        raise RequestDecided


# -- carrying out ----------------------------------------------------------------------------------


def carry_out(request: OperatorRequest, actor: User) -> OperatorRequest:
    """Sends an approved request to the engine; harmless where that was done already.

    Raises RequestDecided (not approved, or done), FourEyes (no permission), EngineUnavailable or
    OutcomeUnknown.
    """
    action, target = f"{request.kind}.execute", str(request)
    try:
        _require(actor, APPROVE)
        if request.state != _State.APPROVED:
            raise RequestDecided
        sequence = _submit(request)
    except CommandRefused as refused:
        _finish(request, _State.FAILED, failure=f"{refused.code}: {refused.message}")
        audit.record(actor, action, target, details=request.payload, outcome=refused.code)
    except VenueError as error:
        if request.state == _State.APPROVED:
            _finish(request, _State.APPROVED, failure=f"{error.code}: {error.message}")
        audit.record(actor, action, target, details=request.payload, outcome=error.code)
        raise
    else:
        _finish(request, _State.EXECUTED, sequence=sequence)
        audit.record(actor, action, target, details=request.payload, sequence=sequence)
    return request


def _submit(request: OperatorRequest) -> int:
    """The sequence at which it was carried out, now or by an earlier try. Raises CommandRefused."""
    try:
        return raise_if_refused(get_gateway().submit_blocking(_command(request))).sequence
    except CommandRefused as refused:
        if refused.reason is RejectReason.DEADLINE_PASSED:
            raise EngineUnavailable from refused
        if refused.reason in _DONE_BEFORE and (sequence := _sequence_of_earlier_try(request)):
            return sequence
        raise


def _command(request: OperatorRequest) -> Command:
    payload = request.payload
    if request.kind == _Kind.BUST:
        return BustTrade(journaled_trade(payload["trade_id"], payload["sequence"]))
    kind = Deposit if request.kind == _Kind.CREDIT else Withdraw
    return kind(
        payload["account_id"], payload["asset"], payload["amount_minor"], reference_of(request)
    )


def reference_of(request: OperatorRequest) -> str:
    """What the engine and the ledger know the deposit or withdrawal by."""
    return f"request:{request.pk}"


def _sequence_of_earlier_try(request: OperatorRequest) -> int:
    """0 where the journal has none since the approval: then it was not this request's doing."""
    for row in rows_after(request.decided_sequence):
        for executed in commands_of(journal.decode_row(row)):
            if any(_is_outcome(request, event) for event in executed.events):
                return executed.sequence
    return 0


def _is_outcome(request: OperatorRequest, event: Event) -> bool:
    match event:
        case TradeBusted(trade=trade):
            return request.kind == _Kind.BUST and trade.trade_id == request.trade_id
        case Deposited() | Withdrawn():
            whose = request.payload.get("account_id")
            return (event.account_id, event.reference) == (whose, reference_of(request))
        case _:
            return False


def _finish(request: OperatorRequest, state: str, *, sequence: int = 0, failure: str = "") -> None:
    """Never takes back what another try has finished."""
    OperatorRequest.objects.filter(pk=request.pk, state=_State.APPROVED).update(
        state=state, sequence=sequence, failure=failure[:MAX_REASON_LENGTH]
    )
    request.refresh_from_db()


# -- records ---------------------------------------------------------------------------------------


def _require(actor: User, permission: str) -> None:
    if not actor.has_perm(permission):
        raise FourEyes("You may not do this; ask an operator who may.")


@contextmanager
def _audited(actor: User, action: str, target: str, details: dict[str, Any]) -> Generator[None]:
    try:
        yield
    except VenueError as error:
        audit.record(actor, action, target, details=details, outcome=error.code)
        raise
    audit.record(actor, action, target, details=details)
