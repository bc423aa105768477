"""What a process may ask of the scheduler; in a process of its own, which nobody else shares."""

import subprocess
import sys

from market.feeds import priority

RAISED = """
from market.feeds import priority
import os
granted = priority.raise_own()
print(granted, os.sched_getscheduler(0) == os.SCHED_RR, os.getpriority(os.PRIO_PROCESS, 0))
"""
LOWERED = """
from market.feeds import priority
import os
priority.raise_own()
priority.lower_own()
print(os.sched_getscheduler(0) == os.SCHED_BATCH, os.getpriority(os.PRIO_PROCESS, 0))
"""
REFUSED = """
import os
from market.feeds import priority
def refuse(*_):
    raise PermissionError
os.sched_setscheduler = os.setpriority = refuse
priority.lower_own()
print(priority.raise_own())
"""


def told(program: str) -> list[str]:
    return subprocess.check_output((sys.executable, "-c", program), text=True).split()


def test_what_is_granted_is_what_the_system_says():
    granted, is_realtime, niceness = told(RAISED)
    assert (is_realtime == "True") == (granted == "realtime")
    assert (int(niceness) == priority.HIGH_NICENESS) == (granted == "nice")


def test_a_process_that_stores_is_not_urgent_whatever_its_parent_is():
    assert told(LOWERED) == ["True", str(priority.BACKGROUND_NICENESS)]


def test_without_permission_everything_stays_as_it_is():
    assert told(REFUSED) == ["normal"]
