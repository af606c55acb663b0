"""Samples of hardware and time in `hardware.jsonl`: what one holds, how it is written and read. Measures nothing.

Ten a minute, a JSON line of 280 to 330 bytes each and 180 more for each card: a week has a hundred thousand, some 30 to
50 MB. What a resume takes back of the steps stays here, as the time was spent all the same.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from trainctl.engine.files import parse_json
from trainctl.engine.machine.cards import MOST, Card
from trainctl.engine.machine.load import Load
from trainctl.engine.runs.atomic import DamagedFileError, open_own, to_json
from trainctl.engine.runs.layout import RunPaths
from trainctl.engine.runs.lines import LineReader

NAN = math.nan
PHASES: tuple[str, ...] = ("data", "step", "validation", "checkpoint", "recorder")
"""What a training spends its time on: it waits for a batch, takes the step with it, measures, saves, and hands records
over. What is left is none of these: a pause, the turn of an epoch."""
LOAD = tuple(Load.__dataclass_fields__)
"""Figures of machine and process, by the names in the file."""
DENSE_BYTES, DENSE_LINES = 1 << 19, 128
"""Of the file that are taken apart where somebody follows it, and samples before its end that are not thinned."""
TAIL_BYTES = 1 << 16
"""Of the end of a file, where only the newest samples are wanted: of the last 15 minutes and more."""


@dataclass(frozen=True, slots=True)
class HardwareSample:
    """One sample. NaN: not known."""

    time: float
    """Seconds since 1970."""
    step: int
    """Last finished optimiser step."""
    seconds: float
    """Since the sample before: what shares of a processor and seconds of the phases are of."""
    cores: int = 0
    """That the process may use; 0: unknown."""
    load: Load = field(default_factory=Load)
    phases: Mapping[str, float] = field(default_factory=dict[str, float])
    """Seconds of each phase that is measured."""
    cards: tuple[Card, ...] = ()
    """Those that are trained on."""

    @property
    def figures(self) -> dict[str, float]:
        """Every figure that is known, by a name of its own: `machine_cpu_percent`, `data_s`, `gpu0.power_w`."""
        known = {name: float(getattr(self.load, name)) for name in LOAD}
        known |= {f"{phase}_s": self.phases[phase] for phase in PHASES if phase in self.phases}
        for card in self.cards:
            known |= {f"gpu{card.index}.{name}": value for name, value in card.figures.items()}
        return {name: value for name, value in known.items() if value == value}


def line_of(sample: HardwareSample) -> str:
    """A sample as it stands in the file, without the line's end; what is not known is left out."""
    load = {name: value for name, value in vars(sample.load).items() if value == value}
    cards = [{"index": card.index, "name": card.name, **_shortened(card.figures)} for card in sample.cards]
    return to_json(
        {
            "time": round(sample.time, 3),
            "step": sample.step,
            "seconds": round(sample.seconds, 3),
            "cores": sample.cores,
            **_shortened(load),
            **{f"{phase}_s": round(seconds, 4) for phase, seconds in sample.phases.items()},
            **({"cards": cards} if cards else {}),
        }
    )


def sample_of(data: Mapping[str, Any]) -> HardwareSample | None:
    """The sample of a line; None where it is none. A figure that is no number is not known."""
    time, seconds = _number(data.get("time")), _number(data.get("seconds"))
    if not (time == time and seconds > 0):
        return None
    cards = data.get("cards")
    found = {phase: _number(data.get(f"{phase}_s")) for phase in PHASES}
    return HardwareSample(
        time=time,
        step=_whole(data.get("step")),
        seconds=seconds,
        cores=_whole(data.get("cores")),
        load=Load(**{name: _number(data.get(name)) for name in LOAD}),
        phases={phase: value for phase, value in found.items() if value == value},
        cards=tuple(_cards(cast("list[Any]", cards))) if isinstance(cards, list) else (),
    )


class HardwareReader:
    """Follows the samples of a run.

    Attributes:
        generation: goes up where the file was replaced; reading then starts over.
    """

    def __init__(self, paths: RunPaths) -> None:
        self._lines = LineReader(paths.hardware)

    @property
    def generation(self) -> int:
        """How often the file shrank."""
        return self._lines.generation

    def read_new(self, dense_bytes: int | None = None) -> list[HardwareSample]:
        """Samples since the last call; lines that are none are passed over.

        Of more than `dense_bytes` (default: some two hours) only every so manieth, for curves, and the newest minutes
        whole.

        Raises:
            DamagedFileError: what is there is no file.
        """
        return _samples(self._lines.read_thinned(dense_bytes or DENSE_BYTES, DENSE_LINES))

    def read_all(self) -> list[HardwareSample]:
        """The same, every sample.

        Raises:
            DamagedFileError: what is there is no file.
        """
        return _samples(self._lines.read_new())


def newest_samples(paths: RunPaths, max_bytes: int = TAIL_BYTES) -> list[HardwareSample]:
    """The samples in the last bytes of the file, oldest first; none where there is no file, or it cannot be read."""
    try:
        with open_own(paths.hardware) as file:
            size = os.fstat(file.fileno()).st_size
            file.seek(max(size - max_bytes, 0))
            lines = file.read(max_bytes).splitlines()
    except (OSError, DamagedFileError):
        return []
    parsed: list[dict[str, Any]] = []
    for line in lines[1:] if size > max_bytes else lines:
        try:
            value: Any = parse_json(line)
        except ValueError:
            continue
        parsed += [cast("dict[str, Any]", value)] if isinstance(value, dict) else []
    return _samples(parsed)


def _samples(lines: Iterable[Mapping[str, Any]]) -> list[HardwareSample]:
    return [sample for sample in map(sample_of, lines) if sample is not None]


def _cards(values: list[Any]) -> list[Card]:
    found: dict[int, Card] = {}
    for value in values[:MOST]:
        if not isinstance(value, dict):
            continue
        told = cast("dict[str, Any]", value)
        index, name = told.get("index"), told.get("name")
        if type(index) is int and 0 <= index < MOST:
            figures = {key: _number(told.get(key)) for key in Card.__dataclass_fields__ if key not in ("index", "name")}
            found[index] = Card(index, name if isinstance(name, str) else "", **figures)
    return [found[index] for index in sorted(found)]


def _number(value: Any) -> float:
    """A figure of a file that may hold anything: all of ours are finite and not negative."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return NAN
    return float(value) if 0 <= value < math.inf else NAN


def _whole(value: Any) -> int:
    number = _number(value)
    return int(number) if number == number else 0


def _shortened(figures: Mapping[str, float]) -> dict[str, float]:
    return {name: _short(value) for name, value in figures.items()}


def _short(value: float) -> float:
    """Whole bytes, tenths of anything else."""
    return round(value) if value >= 1000 else round(value, 1)
