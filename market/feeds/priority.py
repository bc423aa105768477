"""Which of a feed's processes the machine runs first, where it has not enough cores for all."""

import os
from contextlib import suppress
from pathlib import Path
from typing import Final

REALTIME_PRIORITY: Final = 2
HIGH_NICENESS: Final = -15
BACKGROUND_NICENESS: Final = 5
BEHIND_URGENT_NICENESS: Final = -10
"""Of what works for an urgent process and may not fall behind for long."""
_AUTOGROUP: Final = Path("/proc/self/autogroup")
NORMAL: Final = "normal"
HIGH: Final = "high"
CHOICES: Final = (NORMAL, HIGH)


def raise_own() -> str:
    """The calling thread, and threads and processes that it starts from now on, go before others:
    ``realtime`` where that is permitted (Linux: CAP_SYS_NICE or a limit ``rtprio``), else ``nice``
    (a negative niceness), else ``normal``. Returns which it is.

    Only for threads that sleep when they have nothing to do.
    """
    if hasattr(os, "sched_setscheduler"):
        with suppress(OSError):
            os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(REALTIME_PRIORITY))
            return "realtime"
    with suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, 0, HIGH_NICENESS)
        return "nice"
    return NORMAL


def lower_own(niceness: int = BACKGROUND_NICENESS) -> None:
    """The calling thread, which started no others yet, no longer has its parent's urgency; it goes
    behind others or, with a negative niceness that is permitted, before most. Then it should have a
    session of its own."""
    with suppress(OSError):
        if hasattr(os, "sched_setscheduler"):
            os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
    for permitted in (niceness, BACKGROUND_NICENESS):
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, 0, permitted)
            break
    if niceness < 0:
        # Where Linux groups processes by session, a niceness counts within the session only.
        with suppress(OSError):
            _AUTOGROUP.write_text(str(niceness))
