"""Deletes stored market data that is no longer kept."""

import json
from typing import Any, Final

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from market.feeds.errors import UnknownFeed
from market.feeds.management.mistakes import database_told
from market.feeds.storage import reading, retention

_MAX_DAYS: Final = 100_000


class Command(BaseCommand):
    help = (
        "Deletes stored days of market data feeds that were last written to more than --keep-days "
        "ago (FEEDS_KEEP_DAYS; every night by itself). On PostgreSQL whole partitions are dropped."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--feed", help="only this feed; all of them without it")
        parser.add_argument(
            "--keep-days",
            type=int,
            default=settings.FEEDS_KEEP_DAYS,
            help="days since a stored day was last written to (default: %(default)s)",
        )
        parser.add_argument("--dry-run", action="store_true", help="only say what would go")
        parser.add_argument("--json", action="store_true", help="one JSON object instead of text")

    @database_told()
    def handle(self, *args: Any, **options: Any) -> None:
        if not 0 <= options["keep_days"] <= _MAX_DAYS:
            raise CommandError(f"--keep-days is 0 to {_MAX_DAYS}.", returncode=2)
        try:
            feed = reading.feed_of(options["feed"]) if options["feed"] else None
        except UnknownFeed as error:
            raise CommandError(f"{options['feed']}: {error}", returncode=2) from error
        days = retention.expired(options["keep_days"], feed.pk if feed else None)
        names = [{"feed": row.feed_id, "day": row.day.isoformat()} for row in days]
        pruned = [] if options["dry_run"] else retention.prune(days)
        answer = {
            "days": names,
            "is_dry_run": options["dry_run"],
            "rows_deleted": sum(row.rows_deleted for row in pruned),
            "partitions_dropped": sum(row.partitions_dropped for row in pruned),
        }
        if options["json"]:
            self.stdout.write(json.dumps(answer))
            return
        verb = "would be deleted" if options["dry_run"] else "deleted"
        for name in names:
            self.stdout.write(f"{name['feed']} {name['day']} {verb}")
        self.stdout.write(
            f"{len(names)} days {verb}: {answer['rows_deleted']} rows and "
            f"{answer['partitions_dropped']} partitions"
        )
