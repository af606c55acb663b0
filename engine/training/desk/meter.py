"""Samples hardware and time while a run trains. In the clerk's thread: the loop never waits for it, nor for a card.

Whatever goes wrong costs the samples, never the training.
"""

from __future__ import annotations

import time
from collections.abc import Collection

from trainctl.engine.errors import kind_and_words
from trainctl.engine.machine.cards import Cards
from trainctl.engine.machine.load import LoadMeter, usable_cores
from trainctl.engine.runs.events import EventKind
from trainctl.engine.runs.hardware.samples import HardwareSample, line_of
from trainctl.engine.training.desk.phases import Phases
from trainctl.engine.training.desk.pulse import Pulse
from trainctl.engine.training.desk.run_writer import RunWriter

LOOK_S = 1.0
"""How often the clerk asks whether a sample is due."""
FIRST_S, SAMPLE_S = 1.0, 6.0
"""From the beginning to the first sample, and from each to the next: ten a minute."""


class HardwareMeter:
    """Takes the samples of one sitting.

    Args:
        writer: of the run directory.
        pulse: knows the step.
        phases: where the time goes.
    """

    def __init__(self, writer: RunWriter, pulse: Pulse, phases: Phases) -> None:
        self._writer, self._pulse, self._phases = writer, pulse, phases
        self._load, self._cards = LoadMeter(), Cards(())
        self._before: tuple[float, dict[str, float]] | None = None
        """When the sample before was taken, and the phases then."""
        self._wait_s = FIRST_S
        self._is_off = False

    def look_at(self, cards: Collection[str]) -> None:
        """Say which cards are trained on, by their identities; none before that."""
        self._cards = Cards(cards)

    def beat(self) -> None:
        """Take a sample if it is time for one."""
        if self._is_off:
            return
        try:
            self._beat(time.monotonic())
        except Exception as err:
            self._is_off = True
            text = f"hardware and time are not recorded any more: {kind_and_words(err)}"
            self._writer.event(EventKind.NOTE, self._pulse.step, text=text)

    def _beat(self, now: float) -> None:
        if self._before is None:
            self._load.read()  # shares are of what comes after
            self._before = now, self._phases.so_far()
            return
        since, phases_before = self._before
        if now - since < self._wait_s - LOOK_S / 2:
            return
        phases = self._phases.so_far()
        self._before, self._wait_s = (now, phases), SAMPLE_S
        sample = HardwareSample(
            time=time.time(),
            step=self._pulse.step,
            seconds=now - since,
            cores=usable_cores(),
            load=self._load.read(),
            phases={name: max(spent - phases_before.get(name, 0.0), 0.0) for name, spent in phases.items()},
            cards=self._cards.read(),
        )
        self._writer.hardware(line_of(sample))
