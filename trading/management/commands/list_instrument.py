"""``manage.py list_instrument``: puts an instrument up for trading, as an audited action."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.models import User
from market.feeds.management.mistakes import database_told
from market.services import Rules, Units, add_instrument
from orderbook.core.units import InstrumentStatus
from orderbook.errors import VenueError
from trading.operators import shell_operator


class Command(BaseCommand):
    help = (
        "Defines a new instrument at the running venue (an embedded one is that in the same "
        "DATA_DIR), and its assets where they are new. Its sizes are fixed from then on; fees and "
        "limits can be changed in the admin site."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("symbol", help="BASE-QUOTE, such as ESH4-USD")
        parser.add_argument("--tick-size", required=True, help="price step, such as 0.25")
        parser.add_argument("--lot-size", required=True, help="quantity step, such as 1")
        parser.add_argument("--base-decimals", type=int, help="of a base asset that is new")
        parser.add_argument("--quote-decimals", type=int, help="of a quote asset that is new")
        parser.add_argument("--maker-fee-ppm", type=int, default=0, help="parts per million")
        parser.add_argument("--taker-fee-ppm", type=int, default=0, help="parts per million")
        parser.add_argument("--min-notional", default="0", help="smallest order, in quote")
        parser.add_argument("--max-quantity", default="1000000000", help="largest order, in base")
        parser.add_argument("--operator", help="user name of who does this; default: the shell's")

    @database_told()
    def handle(self, *args: Any, **options: Any) -> None:
        units = Units(**{name: options[name] for name in Units._fields})
        rules = Rules(
            maker_fee_ppm=options["maker_fee_ppm"],
            taker_fee_ppm=options["taker_fee_ppm"],
            min_notional=options["min_notional"],
            max_quantity=options["max_quantity"],
            status=InstrumentStatus.TRADING,
        )
        try:
            answer = add_instrument(units, rules, shell_operator(options["operator"]))
        except User.DoesNotExist as error:
            raise CommandError("No user has this name.") from error
        except VenueError as error:
            raise CommandError(f"{error.code}: {error}") from error
        self.stdout.write(f"{units.symbol} is listed (sequence {answer.sequence}).")
