"""``manage.py deposit``: credits a user's account, as an audited action of an operator."""

import uuid
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.models import User
from accounts.services import adjust_balance
from market.feeds.management.mistakes import database_told
from orderbook.errors import VenueError
from trading.operators import shell_operator


class Command(BaseCommand):
    help = (
        "Deposits AMOUNT of ASSET for USER at the running venue; an embedded one is that in the "
        "same DATA_DIR."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("user", help="user name")
        parser.add_argument("asset", help="code of an asset that the venue knows, such as USDT")
        parser.add_argument("amount", help="decimal amount, such as 1000.50")
        parser.add_argument("--reason", required=True, help="why, for the audit record")
        parser.add_argument(
            "--reference",
            help="a reference is accepted once per account, so that a repeat is harmless; "
            "default: a new one",
        )
        parser.add_argument("--operator", help="user name of who does this; default: the shell's")

    @database_told()
    def handle(self, *args: Any, **options: Any) -> None:
        if options["amount"].startswith("-"):
            raise CommandError("A deposit is more than zero.")
        try:
            user = User.objects.get(username__iexact=options["user"])
            answer = adjust_balance(
                account_id=user.pk,
                asset=options["asset"],
                amount=options["amount"],
                reason=options["reason"],
                reference=options["reference"] or f"shell:{uuid.uuid4()}",
                actor=shell_operator(options["operator"]),
            )
        except User.DoesNotExist as error:
            raise CommandError("No user has this name.") from error
        except VenueError as error:
            raise CommandError(f"{error.code}: {error}") from error
        self.stdout.write(
            f"Deposited {options['amount']} {options['asset']} for {user.get_username()} "
            f"(account {user.pk}, sequence {answer.sequence})."
        )
