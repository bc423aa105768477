"""How much of the machine others used meanwhile: what a measurement of time can be blamed on."""

import os
from pathlib import Path
from typing import NamedTuple

_IDLE, _IOWAIT = 3, 4
"""Columns of /proc/stat that are no work."""


class _Moment(NamedTuple):
    total: int
    busy: int
    ours: int


class ForeignLoad:
    """Counts from where it is made. Without /proc nobody else is seen."""

    def __init__(self) -> None:
        self._before = _now()

    def share(self) -> float:
        """Of all processors' time since then, what went to no process that this one started;
        0 to 1."""
        before, after = self._before, _now()
        total = after.total - before.total
        foreign = (after.busy - before.busy) - (after.ours - before.ours)
        return max(0.0, foreign / total) if total > 0 else 0.0


def _now() -> _Moment:
    try:
        first_line = Path("/proc/stat").read_text().partition("\n")[0]
        columns = [int(text) for text in first_line.split()[1:9]]
    except (OSError, ValueError):
        return _Moment(0, 0, 0)
    total = sum(columns)
    return _Moment(total, total - columns[_IDLE] - columns[_IOWAIT], _ours())


def _ours() -> int:
    """Ticks of this process and of everything below it, the ended ones that were waited for too."""
    parent_of: dict[int, int] = {}
    ticks: dict[int, int] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        pid = int(path.parent.name)
        parent_of[pid] = int(fields[1])
        ticks[pid] = sum(map(int, fields[11:15]))
    ours = {os.getpid()}
    for pid in sorted(parent_of):
        chain = [pid]
        while chain[-1] in parent_of and chain[-1] not in ours:
            chain.append(parent_of[chain[-1]])
        if chain[-1] in ours:
            ours.update(chain)
    return sum(ticks.get(pid, 0) for pid in ours)
