"""Which trials there are: every case on every host that can have it, under every seed. Trains nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.trainfault.cases import all_cases
from benchmarks.trainfault.hosts import HOSTS
from benchmarks.trainfault.trial import Trial

SEEDS = (1, 2, 3)
HEALTHY_SEEDS = (1, 2, 3, 4, 5, 6)
"""Of a host as it is: from these comes what is usual."""


@dataclass(frozen=True)
class Selection:
    """What was asked for."""

    root: Path
    hosts: Sequence[str] = tuple(HOSTS)
    cases: Sequence[str] = ()
    """Parts of names; empty: all."""
    seeds: Sequence[int] = SEEDS
    level: int = 1

    def wants(self, case: str) -> bool:
        """Whether a case is among those asked for."""
        return not self.cases or any(part in case for part in self.cases)


def trials(selection: Selection) -> Iterator[Trial]:
    """The hosts as they are, then for each seed faults and traps, those of the first seed on all hosts first."""
    for host in selection.hosts:
        yield from (Trial(host, "", seed) for seed in HEALTHY_SEEDS)
    for seed in selection.seeds:
        for host in selection.hosts:
            for case in all_cases().values():
                if case.fits(HOSTS[host].traits) and selection.wants(case.name):
                    yield Trial(host, case.name, seed, selection.level if case.is_fault else 1)
