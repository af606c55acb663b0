"""Metrics that do not say how good the network is."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from benchmarks.trainfault.cases import fault
from benchmarks.trainfault.change import Change
from benchmarks.trainfault.host import Host


class Misreported(Change):
    """The monitored metric becomes something else."""

    def wrong(self, value: float) -> float:
        raise NotImplementedError

    def figures(self, host: Host, figures: dict[str, float]) -> dict[str, float]:
        name = host.monitor.metric
        return {**figures, name: self.wrong(figures[name])}


@fault("metric-constant", "the metric is the same at every validation", cause="E1008", near="E1007 L201 E1011 O604")
class MetricConstant(Misreported):
    def wrong(self, value: float) -> float:
        return 0.1372


@fault(
    "metric-zero",
    "the metric is exactly zero, whatever is learnt",
    cause="E1008",
    near="E1007 L201 E1011 E1014",
    lacks="regression generative",
)
class MetricZero(Misreported):
    def wrong(self, value: float) -> float:
        return 0.0


@fault("metric-nan", "the metric is not defined", cause="E1014", near="E1011 E1007 N901")
class MetricNan(Misreported):
    def wrong(self, value: float) -> float:
        return math.nan


@fault(
    "metric-inverted",
    "the metric that is to rise is one that falls",
    cause="E1006 E1008",
    near="E1015 L201",
    needs="classes",
)
class MetricInverted(Misreported):
    def wrong(self, value: float) -> float:
        return 1 - value


@fault(
    "metric-beyond-one",
    "the share of hits is divided by the batches in place of the samples",
    cause="E1011",
    near="E1008",
    needs="classes",
)
class MetricBeyondOne(Misreported):
    def wrong(self, value: float) -> float:
        return 32 * value


@fault(
    "metric-of-others",
    "answers are held against the truth of other samples",
    cause="E1008",
    near="L201 E1007",
    lacks="generative tokens",
)
class MetricOfOthers(Change):
    def judged(self, host: Host, columns: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        truth = columns["truth"].roll(7, 0)
        found = {**columns, "truth": truth}
        if "hit" in columns:
            found["hit"] = (columns["answer"] == truth).float()
        return found


@fault(
    "metric-of-first-batch",
    "the metric looks at a handful of samples, always the same",
    cause="E1005",
    near="E1009 E1011",
    lacks="contrastive",
    doses=(16, 8, 4),
)
class MetricOfFirstBatch(Change):
    def judged(self, host: Host, columns: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        return {name: column[: int(self.dose)] for name, column in columns.items()}


@fault("metric-noisy", "the metric is mostly noise", cause="E1008 E1005", near="E1015 E1011", doses=(0.1, 0.3, 1))
class MetricNoisy(Misreported):
    drawn = 0

    def wrong(self, value: float) -> float:
        self.drawn += 1
        noise = torch.randn((), generator=torch.Generator().manual_seed(self.drawn)).item()
        return value + self.dose * abs(noise)
