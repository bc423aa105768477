"""The engine against the naive venue, at length: ``make property-long COMMANDS=1000000 SEED=1``.

Many short venues, each from a seed of its own, so that sorting everything on every use stays cheap
and every venue has other rules. A failure prints its seed and as few commands as still show it.
"""

import argparse
import sys
import time
from collections import Counter

from tests.property.flow.pair import SMALL, bounds_of_engine
from tests.property.flow.venues import VenueFailed, replay, run_venue, shrink

VENUE_COMMANDS = 300


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--commands", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--venue-commands", type=int, default=VENUE_COMMANDS)
    options = parser.parse_args()
    commands: Counter[str] = Counter()
    seen: Counter[str] = Counter()
    started = told = time.monotonic()
    seed = options.seed
    print(f"first seed {seed}, at least {options.commands:,} commands", flush=True)
    with bounds_of_engine(SMALL):
        while commands.total() < options.commands:
            try:
                run_venue(seed, options.venue_commands, commands, seen)
            except VenueFailed as failed:
                report(failed)
                return 1
            seed += 1
            if time.monotonic() - told > 10:
                told = time.monotonic()
                rate = commands.total() / (told - started)
                print(f"seed {seed}: {commands.total():,} commands, {rate:,.0f}/s", flush=True)
    print_counts(commands, seen)
    seconds = time.monotonic() - started
    venues = seed - options.seed
    print(
        f"{commands.total():,} commands in {venues:,} venues, seeds {options.seed} to {seed - 1}, "
        f"{seconds:,.0f} s: the engine did what the rules say"
    )
    return 0


def report(failed: VenueFailed) -> None:
    error = failed.__cause__
    print(f"seed {failed.seed}: {type(error).__name__} at command {len(failed.sent)}\n{error}")
    if not replay(failed.sent):
        print("(sent again, the same commands pass)")
        return
    print("shrinking ...", flush=True)
    fewest = shrink(failed.sent, lambda sent: bool(replay(sent)))
    for command, time_ns in fewest:
        print(f"    ({command}, {time_ns}),")
    print(replay(fewest))


def print_counts(commands: Counter[str], seen: Counter[str]) -> None:
    for title, counts in (("command", commands), ("event, and its reason", seen)):
        print(f"\n{title}")
        for name, count in sorted(counts.items()):
            print(f"  {name:60} {count:>10,}")
    print()


if __name__ == "__main__":
    sys.exit(main())
