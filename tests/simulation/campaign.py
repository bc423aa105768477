"""Many seeds, on several processors, and what became of them."""

import multiprocessing
import os
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from typing import NamedTuple

from tests.simulation.event_kinds import EVENT_KINDS
from tests.simulation.plan import KINDS, make_plan

MIN_SEEDS_FOR_ALL_KINDS = 100
"""A run of at least so many seeds fails where a kind of fault was never injected."""
MIN_SEEDS_FOR_ALL_EVENTS = 200
"""And one of so many where a kind of event never happened."""


class Result(NamedTuple):
    """What a seed came to, small enough to be sent between processes."""

    seed: int
    failure: str
    steps: int
    injected: Counter[str]
    outcomes: Counter[str]
    events: Counter[str]
    digest: str


class Summary(NamedTuple):
    results: list[Result]
    seconds: float

    @property
    def failures(self) -> list[Result]:
        return [result for result in self.results if result.failure]

    @property
    def injected(self) -> Counter[str]:
        return sum((result.injected for result in self.results), Counter())

    @property
    def never_injected(self) -> list[str]:
        """Kinds that a run of this size must have met and has not."""
        if len(self.results) < MIN_SEEDS_FOR_ALL_KINDS:
            return []
        return [kind for kind in KINDS if not self.injected[kind]]

    @property
    def events(self) -> Counter[str]:
        return sum((result.events for result in self.results), Counter())

    @property
    def never_happened(self) -> list[str]:
        """Kinds of events that a run of this size must have met and has not."""
        if len(self.results) < MIN_SEEDS_FOR_ALL_EVENTS:
            return []
        return [kind for kind in EVENT_KINDS if not self.events[kind]]

    @property
    def is_good(self) -> bool:
        return not self.failures and not self.never_injected and not self.never_happened

    def describe(self) -> str:
        outcomes: Counter[str] = sum((result.outcomes for result in self.results), Counter())
        told = ", ".join(f"{count:,} {name}" for name, count in sorted(outcomes.items()))
        lines = [
            f"{len(self.results):,} seeds, {sum(result.steps for result in self.results):,} steps, "
            f"{sum(outcomes.values()):,} commands ({told}) in {self.seconds:.0f} s",
            "injected:",
            *(f"  {self.injected[kind]:>9,} {kind}" for kind in KINDS),
            "events:",
            *(f"  {self.events[kind]:>9,} {kind}" for kind in EVENT_KINDS),
            f"failed: {len(self.failures)}",
        ]
        if self.never_injected:
            lines.append(f"never injected: {', '.join(self.never_injected)}")
        if self.never_happened:
            lines.append(f"never happened: {', '.join(self.never_happened)}")
        return "\n".join(lines)


def set_up() -> None:
    """In a process of its own: Django with the settings of the tests."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.test")
    import django

    django.setup()


def run_seed(seed: int, without: tuple[str, ...] = ()) -> Result:
    from tests.simulation.runner import run

    report = run(make_plan(seed).without(without))
    failure = "" if report.failure is None else str(report.failure)
    return Result(
        seed,
        failure,
        report.steps,
        report.injected,
        report.outcomes,
        report.events,
        report.digest,
    )


def run_seeds(
    seeds: Iterable[int], *, jobs: int, without: tuple[str, ...] = ()
) -> Iterator[Result]:
    """In the order of the seeds."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, mp_context=context, initializer=set_up) as pool:
        yield from pool.map(partial(run_seed, without=without), seeds, chunksize=5)


def run_campaign(
    seeds: Iterable[int], *, jobs: int, without: tuple[str, ...] = (), progress: bool = False
) -> Summary:
    """``without``: kinds of faults that are left out; they then count as never injected."""
    started = time.monotonic()
    results = []
    for result in run_seeds(seeds, jobs=jobs, without=without):
        results.append(result)
        if result.failure:
            print(f"seed {result.seed}: {result.failure}", flush=True)
        elif progress and len(results) % 500 == 0:
            print(f"{len(results):,} seeds", flush=True)
    return Summary(results, time.monotonic() - started)
