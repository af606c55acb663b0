"""Where the time of a run went, and what its machine did meanwhile: means over the run, and the most there was."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

from trainctl.engine.runs.hardware.samples import HardwareSample
from trainctl.tui.report.html import Html, element, section, table
from trainctl.tui.report.subject import PageSubject, RunSubject
from trainctl.tui.run.hardware import LEAST_SHARE, time_shares
from trainctl.tui.spoken import said
from trainctl.tui.words.hardware import cores_words, heat_words, memory_words, percent_words, power_words

LEAST_S = 10.0
"""Of samples: less is the beginning of a run, which tells nothing of it."""

Told = tuple[str, Sequence[float], Callable[[float], str]]


def hardware(subject: PageSubject) -> Html | None:
    """The part of the page; None where no run was watched for long enough."""
    blocks = [block for run in subject.runs for block in _of_run(run, is_alone=subject.is_one)]
    return section("hardware", "Hardware and time", *blocks) if blocks else None


def _of_run(run: RunSubject, *, is_alone: bool) -> Iterator[Html]:
    samples = run.hardware
    if sum(sample.seconds for sample in samples) < LEAST_S:
        return
    if not is_alone:
        yield element("h3", element("i", class_=f"swatch i{run.ink}", aria_hidden="true"), run.name)
    if shares := time_shares(samples):
        parts = [f"{said(phase)} {share:.0%}" for phase, share in shares.items() if share >= LEAST_SHARE]
        yield element("p", element("b", "Time: "), ", ".join(parts))
    rows = [list(row) for row in figure_rows(samples)]
    if rows:
        yield table(["figure", "mean", "most"], rows, label="hardware", class_="numbers")


def figure_rows(samples: Sequence[HardwareSample]) -> Iterator[tuple[str, str, str]]:
    """Name, mean over the time and maximum of each figure that is known."""
    seconds = [one.seconds for one in samples]
    for name, values, words in (*_of_cards(samples), *_of_machine(samples)):
        known = [(value, weight) for value, weight in zip(values, seconds, strict=True) if value == value]
        if known:
            mean = sum(value * weight for value, weight in known) / sum(weight for _, weight in known)
            yield name, words(mean), words(max(value for value, _ in known))


def _of_machine(samples: Sequence[HardwareSample]) -> Iterator[Told]:
    load = [one.load for one in samples]
    cores = max(one.cores for one in samples)
    yield "processors of the process", [one.process_cpu_percent for one in load], lambda x: cores_words(x, cores)
    yield "processors of the machine", [one.machine_cpu_percent for one in load], percent_words
    yield "memory of the process", [one.process_memory_bytes for one in load], memory_words
    total = max((one.memory_total_bytes for one in load if one.memory_total_bytes > 0), default=math.nan)
    yield "memory of the machine", [one.memory_used_bytes for one in load], lambda x: memory_words(x, total)


def _of_cards(samples: Sequence[HardwareSample]) -> Iterator[Told]:
    by_index = [{card.index: card for card in one.cards} for one in samples]
    found = {card.index: card for cards in by_index for card in cards.values()}
    for index, card in sorted(found.items()):

        def course(name: str, index: int = index) -> list[float]:
            return [getattr(cards[index], name) if index in cards else math.nan for cards in by_index]

        def memory(used: float, total: float = card.memory_total_bytes) -> str:
            return memory_words(used, total)

        number = f" {index}" if len(found) > 1 else ""
        yield f"GPU{number} use", course("use_percent"), percent_words
        yield f"GPU{number} memory", course("memory_used_bytes"), memory
        yield f"GPU{number} temperature", course("temperature_c"), heat_words
        yield f"GPU{number} power", course("power_w"), power_words
