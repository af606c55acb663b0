"""How busy processors and memory are, by the whole machine and by this process. Knows no run and no card.

From `/proc` and, in a container, from its control group (proc(5), cgroups(7)). Where there is none, as on other systems
than Linux, the processor time of this process is known, and nothing else: NaN, never an error.
"""

from __future__ import annotations

import math
import os
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

NAN = math.nan
PROC, GROUP = Path("/proc"), Path("/sys/fs/cgroup")
MOST_BYTES = 1 << 16
"""Of a file there: those that are read have a few lines."""
KIB = 1024


@dataclass(frozen=True)
class Load:
    """One reading; NaN: not known here."""

    process_cpu_percent: float = NAN
    """Of this process with its worker processes; 100 is one core."""
    machine_cpu_percent: float = NAN
    """Of all cores together, 0 to 100."""
    process_memory_bytes: float = NAN
    """Resident memory of this process, without its workers: what they share would be counted twice."""
    memory_used_bytes: float = NAN
    """Of the machine, or of the container where that has a limit; without what is a mere copy of files."""
    memory_total_bytes: float = NAN


class LoadMeter:
    """Reads the load. Shares of a processor are means since the reading before, NaN at the first.

    Args:
        proc: where the kernel tells of processes.
        group: where it tells of the container.
    """

    def __init__(self, proc: Path = PROC, group: Path = GROUP) -> None:
        self._proc, self._group = proc, group
        self._read_at = NAN
        self._spent: dict[int, float] = {}
        """Seconds of a processor by process, this one and its workers."""
        self._ticks = (NAN, NAN)
        """Of the machine: all there were, and those that were idle."""

    def read(self) -> Load:
        """The load now."""
        now, spent, ticks = time.monotonic(), self._process_times(), self._machine_ticks()
        passed = now - self._read_at
        # By process: a worker that has ended takes its whole time with it.
        used = sum(max(seconds - self._spent.get(pid, 0.0), 0.0) for pid, seconds in spent.items())
        whole, idle = (new - old for new, old in zip(ticks, self._ticks, strict=True))
        self._read_at, self._spent, self._ticks = now, spent, ticks
        used_bytes, total_bytes = self._memory()
        return Load(
            process_cpu_percent=100 * used / passed if passed > 0 else NAN,
            machine_cpu_percent=min(max(100 * (1 - idle / whole), 0.0), 100.0) if whole > 0 else NAN,
            process_memory_bytes=self._resident(),
            memory_used_bytes=used_bytes,
            memory_total_bytes=total_bytes,
        )

    def _process_times(self) -> dict[int, float]:
        """Of this process and of those that `multiprocessing` has started in it, as loaders of data do."""
        found = {os.getpid(): time.process_time()}
        for pid in _workers():
            seconds = self._time_of(pid)
            if seconds == seconds:
                found[pid] = seconds
        return found

    def _time_of(self, pid: int) -> float:
        fields = _text(self._proc / str(pid) / "stat").rpartition(")")[2].split()
        if len(fields) < 13:
            return NAN
        # utime and stime are the fields 14 and 15; the two before the parenthesis are gone.
        return (_number(fields[11]) + _number(fields[12])) / os.sysconf("SC_CLK_TCK")

    def _machine_ticks(self) -> tuple[float, float]:
        words = _text(self._proc / "stat").partition("\n")[0].split()
        if len(words) < 6 or words[0] != "cpu":
            return NAN, NAN
        # user nice system idle iowait irq softirq steal; guests are counted among the users.
        ticks = [_number(word) for word in words[1:9]]
        return sum(ticks), ticks[3] + ticks[4]

    def _resident(self) -> float:
        words = _text(self._proc / "self" / "statm").split()
        return _number(words[1]) * os.sysconf("SC_PAGE_SIZE") if len(words) > 1 else NAN

    def _memory(self) -> tuple[float, float]:
        """Used and total."""
        limit, held = (_number(_text(self._group / name)) for name in ("memory.max", "memory.current"))
        table = _table(_text(self._proc / "meminfo"))
        total = table.get("MemTotal", NAN) * KIB
        if limit == limit and held == held and not limit >= total:
            return max(held - _table(_text(self._group / "memory.stat")).get("inactive_file", 0.0), 0.0), limit
        return total - table.get("MemAvailable", NAN) * KIB, total


def usable_cores() -> int:
    """Cores that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _workers() -> Iterable[int]:
    # Not `active_children`: that waits for those that have ended, which is the business of whoever started them. Not
    # imported either: readers of samples need none of it, and where nobody has imported it there are no workers.
    process = sys.modules.get("multiprocessing.process")
    known: Iterable[object] = tuple(getattr(process, "_children", ()))
    pids = (getattr(getattr(child, "_popen", None), "pid", None) for child in known)
    return [pid for pid in pids if isinstance(pid, int)]


def _text(path: Path) -> str:
    """Of a file of the kernel's; empty where there is none."""
    try:
        with path.open("rb") as file:
            return file.read(MOST_BYTES).decode(errors="replace")
    except OSError:
        return ""


def _table(text: str) -> dict[str, float]:
    """Numbers by the name at the beginning of their line."""
    rows = (line.split() for line in text.splitlines())
    return {row[0].rstrip(":"): _number(row[1]) for row in rows if len(row) > 1}


def _number(word: str) -> float:
    """NaN for what is none, as the word `max`."""
    return float(word) if word.strip().isdecimal() else NAN
