"""What is known of machine and cards during a run, in memory: a series for each figure, the newest sample, the phases.

Grows by samples and by nothing else; bounded, as series are pyramids. Knows no file and no widget.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from itertools import islice

import numpy as np

from trainctl.engine.runs.hardware.samples import PHASES, HardwareSample
from trainctl.tui.charts.pyramid import Pyramid

LEAST, MOST = 10, 100
"""Newest samples that tell where the time goes: a minute; more of them where steps take longer than that."""
TOLD = 0.5
"""Share of the time that should be of known phases."""
OTHER = "other"
"""Time that is of no phase."""
LEAST_SHARE = 0.005
"""Of the time: what took less is not named."""
MOST_FIGURES = 1024
"""Of which a series is kept: a file may name anything."""


class HardwareLog:
    """The samples of one run.

    Attributes:
        series: by the names of `HardwareSample.figures`, over the number of the sample.
        count: samples so far.
    """

    def __init__(self) -> None:
        self.series: dict[str, Pyramid] = {}
        self.count = 0
        self._newest: deque[HardwareSample] = deque(maxlen=MOST)

    @property
    def newest(self) -> HardwareSample | None:
        """The last sample; None: there is none."""
        return self._newest[-1] if self._newest else None

    def add(self, samples: Sequence[HardwareSample]) -> None:
        """Take in samples, oldest first."""
        if not samples:
            return
        figures = [sample.figures for sample in samples]
        for name in dict.fromkeys((*self.series, *(name for one in figures for name in one))):
            if name not in self.series:
                if len(self.series) >= MOST_FIGURES:
                    continue
                self.series[name] = Pyramid(float(self.count))
            values = [one.get(name, math.nan) for one in figures]
            self.series[name].extend(np.array(values, np.float32))
        self.count += len(samples)
        self._newest.extend(samples)

    def shares(self) -> dict[str, float]:
        """Part of the time of late that each phase took, and what is left; empty: no phase is measured."""
        late: list[HardwareSample] = []
        seconds = spent = 0.0
        for sample in reversed(self._newest):
            if len(late) >= LEAST and spent >= TOLD * seconds:
                break
            late.append(sample)
            seconds, spent = seconds + sample.seconds, spent + sum(sample.phases.values())
        return time_shares(late)

    @property
    def step_s(self) -> float:
        """Seconds of a step of late, its batch included; NaN: none was taken."""
        newest = list(islice(reversed(self._newest), LEAST + 1))
        steps = newest[0].step - newest[-1].step if newest else 0
        spent = sum(sample.phases.get("data", 0.0) + sample.phases.get("step", 0.0) for sample in newest[:-1])
        return spent / steps if steps > 0 else math.nan


def time_shares(samples: Sequence[HardwareSample]) -> dict[str, float]:
    """Part of the time of samples that each phase took, and what is left; empty: no phase is measured."""
    known = [phase for phase in PHASES if any(phase in one.phases for one in samples)]
    told = {phase: sum(one.phases.get(phase, 0.0) for one in samples) for phase in known}
    spent = sum(told.values())
    whole = max(sum(one.seconds for one in samples), spent)
    if not known or whole <= 0:
        return {}
    return {**{phase: seconds / whole for phase, seconds in told.items()}, OTHER: (whole - spent) / whole}
