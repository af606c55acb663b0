"""What a process uses, as Linux counts it in /proc. Threads are included."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

TICKS_PER_S = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Memory:
    """Megabytes (10^6 bytes)."""

    resident: float
    """All pages in memory, also those shared with other processes and those of files."""
    proportional: float
    """The same, shared pages divided by how many share them."""
    anonymous: float
    """What no file stands behind: what the program has allocated."""


def cpu_s(pid: int, *, with_children: bool = False) -> float:
    """Processor time since the start, user and system, in seconds. See proc(5): fields 14 and 15.

    With children also of those that ended and were waited for, fields 16 and 17.
    """
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(int(field) for field in fields[11 : 15 if with_children else 13]) / TICKS_PER_S


def busy_s(pid: int) -> float:
    """Processor time of the threads there are now, in seconds, to the microsecond (`cpu_s` counts in hundredths)."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9


def memory(pid: int) -> Memory:
    """Memory now."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    kib = {line.partition(":")[0]: int(line.split()[1]) for line in lines}
    resident, proportional, anonymous = (kib[name] * 1024 / 1e6 for name in ("Rss", "Pss", "Anonymous"))
    return Memory(resident, proportional, anonymous)
