"""``make simulate``: many seeds, or one with its trace.

A seed that fails is run again, made smaller and shown with the command that repeats it.
"""

import argparse
import os
import sys

from tests.simulation.campaign import run_campaign, set_up
from tests.simulation.plan import Plan, make_plan

SHOWN_LINES = 60
NOTHING = "nothing"
SHRUNK_SEEDS = 3
"""Failing seeds that one run makes smaller."""


def main() -> int:
    options = _options()
    set_up()
    if options.seed is not None:
        return _one(options.seed, options.keep)
    seeds = range(options.first, options.first + options.seeds)
    without = tuple(options.without.split(",")) if options.without else ()
    summary = run_campaign(seeds, jobs=options.jobs, without=without, progress=True)
    for result in summary.failures[:SHRUNK_SEEDS]:
        _explain(make_plan(result.seed).without(without))
    print(summary.describe())
    return 0 if summary.is_good else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make simulate", description=__doc__)
    parser.add_argument("--seeds", type=int, default=200, help="how many seeds")
    parser.add_argument("--from", type=int, default=1, dest="first", help="the first of them")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--without", default="", help="kinds of faults to leave out, by comma")
    parser.add_argument("--seed", type=int, help="this seed alone, with its trace")
    parser.add_argument("--keep", default="", help="only these parts of its plan, as f0,m3,o7")
    return parser.parse_args()


def _one(seed: int, keep: str) -> int:
    from tests.simulation.runner import run

    plan = make_plan(seed)
    if keep:
        plan = plan.keep(() if keep == NOTHING else keep.split(","))
    print(plan.describe())
    report = run(plan, write=print)
    print(f"injected: {dict(report.injected)}")
    print(f"told: {dict(report.outcomes)}")
    print(f"events: {dict(report.events)}")
    print(f"{report.steps} steps, trace {report.digest}")
    if report.failure is None:
        return 0
    if not keep:
        _explain(plan)
    print(f"seed {seed}: {report.failure}")
    return 1


def _explain(plan: Plan) -> None:
    from tests.simulation.runner import run
    from tests.simulation.shrink import names_of, shrink

    failure = run(plan).failure
    if failure is None:
        print(f"seed {plan.seed} does not fail again: the simulation is not deterministic")
        return

    def fails(candidate: Plan) -> bool:
        found = run(candidate).failure
        return found is not None and found.invariant == failure.invariant

    small = shrink(plan, fails)
    report = run(small)
    print(f"\nseed {plan.seed}: {report.failure}\nminimal plan, {small.describe()}")
    print(f"last lines of its trace:\n{os.linesep.join(report.last_lines[-SHOWN_LINES:])}")
    names = ",".join(names_of(small, make_plan(plan.seed))) or NOTHING
    print(f"repeat with: make simulate SEED={plan.seed} KEEP={names}\n", flush=True)


if __name__ == "__main__":
    sys.exit(main())
