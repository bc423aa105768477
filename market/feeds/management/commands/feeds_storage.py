"""Says what is stored of market data feeds."""

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from market.feeds.errors import UnknownFeed
from market.feeds.management.mistakes import database_told
from market.feeds.models import Feed
from market.feeds.storage import reading
from market.feeds.storage.summary import summary
from orderbook.admin import utc


class Command(BaseCommand):
    help = "Says what is stored of each market data feed: records, sizes, days and gaps."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("feed", nargs="?", help="only this feed; all of them without it")
        parser.add_argument("--days", action="store_true", help="each day, too")
        parser.add_argument("--json", action="store_true", help="one JSON object instead of text")

    @database_told()
    def handle(self, *args: Any, **options: Any) -> None:
        try:
            feeds = [reading.feed_of(options["feed"])] if options["feed"] else Feed.objects.all()
        except UnknownFeed as error:
            raise CommandError(f"{options['feed']}: {error}", returncode=2) from error
        found = [summary(feed, days=options["days"]) for feed in feeds]
        if options["json"]:
            self.stdout.write(json.dumps({"feeds": found}))
            return
        for one in found:
            self._write(one)
        if not found:
            self.stdout.write("There are no feeds.")

    def _write(self, one: dict[str, Any]) -> None:
        if not one["record_count"]:
            self.stdout.write(f"{one['feed']}: nothing is stored")
            return
        self.stdout.write(
            f"{one['feed']}: {one['record_count']:,} records in {one['runs']} runs, "
            f"{utc(one['start_ns'])} to {utc(one['end_ns'])} UTC\n"
            f"  {one['record_bytes']:,} bytes, {one['bytes_per_record']} a record "
            f"({one['packed_to']:.0%} of what came)\n"
            f"  {one['bbo_count']:,} changes of best prices, {one['trade_count']:,} trades, "
            f"{one['snapshot_count']:,} full books\n"
            f"  {one['gap_count']} gaps, {one['lost_records']:,} records lost"
        )
        for gap in one["newest_gaps"]:
            self.stdout.write(
                f"    {gap['record_count']:,} at {gap['position']} ({gap['reason']}), "
                f"{utc(gap['start_ns'])}"
            )
        for day in one.get("days", []):
            self.stdout.write(
                f"  {day['day']}: {day['record_count']:,} records, {day['record_bytes']:,} bytes"
            )
