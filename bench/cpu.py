"""CPU time by part of a venue: what an order costs, whatever else the machine is doing.

Rates of a shared machine tell little; the CPU time that each process spends on an order tells what
the machine could do, and which part to make cheaper first.
"""

import os
from collections import Counter
from pathlib import Path

import psutil

CLIENT = "client"


class CpuTimes:
    """Of the processes in ``pid_folder`` (one ``{name}.pid`` each), their children and our own."""

    def __init__(self, pid_folder: Path) -> None:
        self._pids = {path.stem: int(path.read_text()) for path in pid_folder.glob("*.pid")}
        self._before = self._seconds()

    def spent(self) -> dict[str, float]:
        """CPU seconds since the start, by name; parts that have ended are left out."""
        now = self._seconds()
        return {name: now[name] - self._before[name] for name in now if name in self._before}

    def _seconds(self) -> Counter[str]:
        seconds: Counter[str] = Counter()
        for name, pid in {**self._pids, CLIENT: os.getpid()}.items():
            try:
                process = psutil.Process(pid)
                family = [process, *(process.children(recursive=True) if name != CLIENT else [])]
            except psutil.Error:
                continue
            for member in family:
                try:
                    times = member.cpu_times()
                except psutil.Error:
                    continue
                seconds[name] += times.user + times.system
        return seconds
