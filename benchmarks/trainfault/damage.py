"""Whether a case harms the result, by the seeds of the host as it is. Knows no diagnosis.

Two ways to harm: the network is worse, on samples that no fault has touched; or what is reported of it is far from
what it is. Either counts beyond three standard deviations of the healthy seeds and the host's margin.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.trainfault.hosts import HOSTS
from benchmarks.trainfault.trial import Result

SPREAD = 3.0
"""Standard deviations of the healthy seeds that a result must lie off."""


@dataclass(frozen=True)
class Usual:
    """Results of a host as it is."""

    host: str
    mean: float
    least_loss: float
    """How much worse a result must be to count."""
    gap: float
    """Reported over honest."""
    least_gap: float

    def loss(self, result: Result) -> float:
        """How much worse the network is, in the unit of the metric; infinite where there is none."""
        if not math.isfinite(result.honest):
            return math.inf
        worse = self.mean - result.honest
        return worse if HOSTS[self.host].monitor.mode == "max" else -worse

    def is_worse(self, result: Result) -> bool:
        """Whether the network is significantly worse."""
        return self.loss(result) > self.least_loss

    def is_misreported(self, result: Result) -> bool:
        """Whether what is reported is significantly off what it is."""
        off = result.reported - result.honest - self.gap
        return not math.isfinite(off) or abs(off) > self.least_gap


def usual(host: str, healthy: Sequence[Result]) -> Usual:
    """What is usual of a host, from its healthy seeds."""
    honest, gaps = [each.honest for each in healthy], [each.reported - each.honest for each in healthy]
    margin = HOSTS[host].margin
    spread, gap_spread = statistics.stdev(honest), statistics.stdev(gaps)
    least, least_gap = max(SPREAD * spread, margin), max(SPREAD * gap_spread, margin)
    return Usual(host, statistics.mean(honest), least, statistics.mean(gaps), least_gap)


def harms(usual_of_host: Usual, results: Sequence[Result]) -> str:
    """`worse` or `misreported` where most seeds are, else nothing."""
    most = len(results) / 2
    if sum(usual_of_host.is_worse(each) for each in results) > most:
        return "worse"
    if sum(usual_of_host.is_misreported(each) for each in results) > most:
        return "misreported"
    return ""
