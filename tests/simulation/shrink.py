"""The smallest plan that still breaks the same promise, by delta debugging."""

import time
from collections.abc import Callable

from tests.simulation.plan import Plan

MAX_RUNS = 600


def shrink(plan: Plan, fails: Callable[[Plan], bool], *, seconds: float = 120.0) -> Plan:
    """Leaves out ever smaller pieces as long as ``fails`` says that what is left still does.

    Gives the smallest that it has found when ``seconds`` or ``MAX_RUNS`` are used up.
    """
    kept = plan.items()
    latest = time.monotonic() + seconds
    runs = 0
    size = max(1, len(kept) // 2)
    while kept:
        start, is_smaller = 0, False
        while start < len(kept):
            if runs >= MAX_RUNS or time.monotonic() > latest:
                return plan.keep(kept)
            candidate = kept[:start] + kept[start + size :]
            runs += 1
            if fails(plan.keep(candidate)):
                kept, is_smaller = candidate, True
            else:
                start += size
        if size == 1 and not is_smaller:
            break
        size = max(1, size // 2)
    return plan.keep(kept)


def names_of(plan: Plan, whole: Plan) -> list[str]:
    """What of ``whole`` is in ``plan``, for ``Plan.keep``."""
    names = []
    for letter, kept in plan.parts().items():
        position = 0
        for one in kept:
            position = whole.parts()[letter].index(one, position)
            names.append(f"{letter}{position}")
            position += 1
    return names
