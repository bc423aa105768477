"""Everything that changes accounts: sign-up and sign-in, opening, funding, closing, crediting.

The engine keeps its own list of accounts. What it must be told about a user is written down with
the user first (``funds_due``, ``engine_status``) and struck off only when the engine has answered,
so that an engine that cannot be reached delays it and never loses or doubles it.
"""

from collections.abc import Callable

import structlog
from allauth.account.adapter import get_adapter
from allauth.account.models import EmailAddress
from django.conf import settings
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import IntegrityError, transaction
from django.db.models import Q
from django.http import HttpRequest

from accounts import roles, selectors, tokens
from accounts.errors import (
    EmailNotVerified,
    EmailTaken,
    InvalidCredentials,
    PasswordTooWeak,
    UnknownAsset,
    UsernameTaken,
)
from accounts.models import NotificationsRead, User
from accounts.validators import (
    MAX_EMAIL_LENGTH,
    MAX_PASSWORD_LENGTH,
    MAX_USERNAME_LENGTH,
    UsernameValidator,
    has_control_characters,
)
from orderbook import audit
from orderbook.core.commands import Command, Deposit, SetAccountStatus, Withdraw
from orderbook.core.rejects import RejectReason
from orderbook.core.units import AccountStatus
from orderbook.errors import CommandRefused, EngineUnavailable, InvalidInput, OutcomeUnknown
from orderbook.gateway.decimals import text_to_minor
from orderbook.gateway.gateway import get_gateway
from orderbook.gateway.protocol import Answer
from orderbook.gateway.refusals import raise_if_refused

logger = structlog.get_logger(__name__)

MAX_SETTLED_AT_ONCE = 500
"""Users that one run of ``settle_pending`` looks at."""
_ENGINE_DOWN = (EngineUnavailable, OutcomeUnknown)


# -- sign-up and sign-in ---------------------------------------------------------------------------


def register_trader(*, username: str, email: str, password: str, notify: bool = True) -> User:
    """Creates a user in the trader role and opens and funds its account in the engine.

    Raises InvalidInput, PasswordTooWeak, UsernameTaken or EmailTaken. With the engine down the user
    is created all the same, and settled later (``settle_pending``).
    """
    username, email = _checked_names(username, email)
    _check_password(password, User(username=username, email=email))
    if User.objects.filter(username__iexact=username).exists():
        raise UsernameTaken
    if selectors.email_taken(email):
        raise EmailTaken
    user = User(username=username, email=email, notify=notify, funds_due=bool(settings.DEMO_FUNDS))
    user.set_password(password)
    try:
        with transaction.atomic():
            user.save()
            roles.give_role(user, roles.TRADER)
    except IntegrityError as error:
        raise (UsernameTaken if "username" in str(error).lower() else EmailTaken) from error
    settle_if_possible(user)
    return user


def sign_in(*, login: str, password: str) -> User:
    """The active user of this name or address and password.

    Raises InvalidCredentials alike for everything that can be wrong, after the same work.
    """
    user = selectors.user_by_login(login)
    if user is None:
        User().set_password(password)
        raise InvalidCredentials
    if not user.check_password(password) or not user.is_active:
        raise InvalidCredentials
    settle_if_possible(user)
    return user


def start_email_verification(request: HttpRequest, user: User) -> None:
    """Notes the user's address for allauth and mails its link; a mail that fails is logged."""
    address = EmailAddress.objects.create(user=user, email=user.email, primary=True)
    _send(lambda: address.send_confirmation(request, signup=True))


def _send(mail: Callable[[], object]) -> None:
    try:
        mail()
    except OSError:
        logger.exception("mail_not_sent")


def _must_verify() -> bool:
    return bool(settings.ACCOUNT_EMAIL_VERIFICATION == "mandatory")


def sign_up(request: HttpRequest, *, username: str, email: str, password: str) -> User:
    """``register_trader``, and the mail that verifies the address.

    Where addresses must be verified a stranger does not learn which are known: it hears
    EmailNotVerified either way, after the same work, and the owner of the address gets a mail.
    """
    try:
        user = register_trader(username=username, email=email, password=password)
    except EmailTaken:
        if not _must_verify():
            raise
        User().set_password(password)
        _send(lambda: get_adapter(request).send_account_already_exists_mail(email.strip()))
        raise EmailNotVerified from None
    start_email_verification(request, user)
    require_verified_email(user)
    return user


def require_verified_email(user: User) -> None:
    """Raises EmailNotVerified where the venue demands a verified address and there is none."""
    if _must_verify() and not EmailAddress.objects.filter(user=user, verified=True).exists():
        raise EmailNotVerified


def _checked_names(username: str, email: str) -> tuple[str, str]:
    username, email = username.strip(), email.strip().lower()
    for field, value, limit in (
        ("username", username, MAX_USERNAME_LENGTH),
        ("email", email, MAX_EMAIL_LENGTH),
    ):
        if not value or len(value) > limit or has_control_characters(value):
            raise InvalidInput(
                f"{field} must have 1 to {limit} characters, none of them control characters.",
                field=field,
            )
    try:
        UsernameValidator()(username)
    except ValidationError as error:
        raise InvalidInput(error.messages[0], field="username") from error
    try:
        validate_email(email)
    except ValidationError as error:
        raise InvalidInput(error.messages[0], field="email") from error
    return username, email


def check_password_text(password: str) -> None:
    """Raises ValidationError for a password that no strength could excuse."""
    if len(password) > MAX_PASSWORD_LENGTH or has_control_characters(password):
        raise ValidationError(
            f"A password has at most {MAX_PASSWORD_LENGTH} characters, none of them control "
            "characters."
        )


def _check_password(password: str, user: User) -> None:
    try:
        check_password_text(password)
        validate_password(password, user)
    except ValidationError as error:
        raise PasswordTooWeak(" ".join(error.messages), field="password") from error


# -- the engine's side of an account ---------------------------------------------------------------


def settle_if_possible(user: User) -> bool:
    """Tells the engine what it must still hear about the user; False: not now, try again later."""
    try:
        settle(user)
    except _ENGINE_DOWN as error:
        logger.warning("account_not_settled", user_id=user.pk, reason=error.code)
        return False
    return True


def settle(user: User) -> None:
    """Opens, closes and funds the user's account in the engine as far as that is still to be done.

    Safe to repeat. Raises EngineUnavailable or OutcomeUnknown.
    """
    wanted = AccountStatus.ACTIVE if user.is_active else AccountStatus.CLOSED
    if user.engine_status != wanted.value and (user.is_active or user.engine_status):
        _carry_out(SetAccountStatus(user.pk, wanted))
        user.engine_status = wanted.value
        user.save(update_fields=["engine_status"])
    if user.funds_due and user.is_active:
        _deposit_demo_funds(user)
        user.funds_due = False
        user.save(update_fields=["funds_due"])


def settle_pending() -> int:
    """Settles users who wait for it, oldest first; gives how many were settled.

    Stops at the first sign that the engine cannot be reached.
    """
    closed, active = AccountStatus.CLOSED.value, AccountStatus.ACTIVE.value
    pending = User.objects.filter(
        Q(is_active=True, funds_due=True)
        | Q(is_active=True, engine_status=closed)
        | Q(is_active=True, engine_status="", groups__name=roles.TRADER)
        | Q(is_active=False, engine_status=active)
    )
    settled = 0
    for user in pending.distinct().order_by("id")[:MAX_SETTLED_AT_ONCE]:
        if not settle_if_possible(user):
            break
        settled += 1
    return settled


def _deposit_demo_funds(user: User) -> None:
    """Once per user and asset, however often it is called: the reference sees to that."""
    decimals = selectors.asset_decimals(settings.DEMO_FUNDS)
    if not decimals.keys() & settings.DEMO_FUNDS.keys():
        raise EngineUnavailable("The venue has none of the assets of DEMO_FUNDS yet.")
    for asset, amount in settings.DEMO_FUNDS.items():
        if asset not in decimals:
            logger.warning("demo_funds_asset_unknown", asset=asset)
            continue
        amount_minor = text_to_minor(amount, decimals[asset])
        try:
            _carry_out(Deposit(user.pk, asset, amount_minor, f"demo-funds:{asset}"))
        except CommandRefused as refused:
            if refused.reason is not RejectReason.DUPLICATE_REFERENCE:
                logger.warning("demo_funds_refused", user_id=user.pk, asset=asset, why=refused.code)


def _carry_out(command: Command) -> Answer:
    return raise_if_refused(get_gateway().submit_blocking(command))


# -- what operators do -----------------------------------------------------------------------------


def set_active(user: User, *, active: bool, actor: audit.Actor) -> bool:
    """Lets a user sign in or not, and opens or closes its account in the engine.

    Signing in ends at once, in the database; True where the engine has also done its part already.
    """
    user.is_active = active
    user.save(update_fields=["is_active"])
    tokens.forget_user(user.pk)
    settled = settle_if_possible(user)
    audit.record(
        actor,
        "account.open" if active else "account.close",
        f"user {user.pk} ({user.get_username()})",
        details={"is_active": active, "engine_told": settled},
    )
    return settled


def set_trading(user: User, *, allowed: bool, actor: audit.Actor) -> bool:
    """Gives the user the trader role, or takes it away; its open orders stay in the book.

    False where the user may still trade because of another role. Audited.
    """
    if allowed:
        roles.give_role(user, roles.TRADER)
        effective = True
    else:
        effective = roles.withdraw_trading(user)
    tokens.forget_user(user.pk)
    audit.record(
        actor,
        "trading.allow" if allowed else "trading.withdraw",
        f"user {user.pk} ({user.get_username()})",
        details={"roles": selectors.roles_of(user)},
        outcome=audit.DONE if effective else "still_allowed",
    )
    return effective


def replace_email(user: User, email: str) -> None:
    """Makes this the user's only address, unverified.

    The old ones go, verified or not: a password reset mailed to one of them would still open the
    account.
    """
    with transaction.atomic():
        user.email = email.lower()
        user.save(update_fields=["email"])
        EmailAddress.objects.filter(user=user).delete()
        EmailAddress.objects.create(user=user, email=user.email, primary=True)


def adjust_balance(
    *, account_id: int, asset: str, amount: str, reason: str, reference: str, actor: audit.Actor
) -> Answer:
    """Credits an account, or debits its available balance where ``amount`` begins with a minus.

    ``amount`` is a decimal string; ``reference`` makes a repeat harmless. Audited whatever comes of
    it. Raises InvalidInput, UnknownAsset, CommandRefused, EngineUnavailable or OutcomeUnknown.
    """
    debit = amount.startswith("-")
    decimals = selectors.asset_decimals([asset]).get(asset)
    if decimals is None:
        raise UnknownAsset
    amount_minor = text_to_minor(amount.removeprefix("-"), decimals)
    if not amount_minor:
        raise InvalidInput("amount must not be zero.", field="amount")
    kind = Withdraw if debit else Deposit
    action = "account.debit" if debit else "account.credit"
    target = f"account {account_id}"
    details = {"asset": asset, "amount": amount, "reason": reason, "reference": reference}
    try:
        answer = _carry_out(kind(account_id, asset, amount_minor, reference))
    except (CommandRefused, *_ENGINE_DOWN) as error:
        audit.record(actor, action, target, details=details, outcome=error.code)
        raise
    audit.record(actor, action, target, details=details, sequence=answer.sequence)
    return answer


# -- notifications ---------------------------------------------------------------------------------


def mark_notifications_read(user: User, up_to_id: int | None = None) -> None:
    """Marks the account's notifications up to and including this id, or all that there are now."""
    newest_id = selectors.newest_notification_id(user)
    read_to_id = newest_id if up_to_id is None else min(up_to_id, newest_id)
    marks = NotificationsRead.objects
    marks.bulk_create([NotificationsRead(account_id=user.pk)], ignore_conflicts=True)
    marks.filter(account_id=user.pk, read_to_id__lt=read_to_id).update(read_to_id=read_to_id)


def set_notify(user: User, *, notify: bool) -> None:
    user.notify = notify
    user.save(update_fields=["notify"])


def prune_notifications(keep: int) -> int:
    """Deletes each account's notifications but the newest ``keep``; gives how many went."""
    deleted = 0
    for account_id in selectors.accounts_with_more_notifications_than(keep):
        deleted += selectors.notifications_beyond(account_id, keep).delete()[0]
    return deleted
