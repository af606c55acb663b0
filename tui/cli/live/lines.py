"""Records and events of a run as lines of plain text for the command line; the words are `wording`'s. Pure."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

import numpy as np
from rich.cells import cell_len, chop_cells

from trainctl.engine.runs.events import Event, EventKind
from trainctl.engine.runs.record import RecordLayout
from trainctl.tui.plain import printable
from trainctl.tui.words.events import event_words, figures
from trainctl.tui.words.verdict import Severity

Record = np.void
LEAST_WIDTH = 20


def term_figures(record: Record, layout: RecordLayout) -> dict[str, float]:
    """Loss and each raw term of a step."""
    total = {} if "loss" in layout.unmeasured else {"loss": float(record["loss"])}
    return total | {name: float(record[f"term.{name}"]) for name in layout.terms}


def class_line(record: Record, layout: RecordLayout, most: int = 8) -> str:
    """Classes in the step's batch with their counts; of more than `most` the most frequent; empty without classes."""
    if "classes" not in (record.dtype.names or ()):
        count = float(record["num_classes"])
        return "" if math.isnan(count) else f"{int(count)} classes"
    counts = record["classes"]
    # In their own order where all are shown: then nothing jumps about from step to step.
    order = np.argsort(counts)[::-1] if len(counts) > most else np.arange(len(counts))
    shown = [f"{layout.classes[k]} {counts[k]}" for k in order[:most] if counts[k]]
    missing = int((counts == 0).sum())
    more = int((counts > 0).sum()) - len(shown)
    tail = [f"+{more} more"] * (more > 0) + [f"{missing} missing"] * (missing > 0)
    return "  ".join([*shown, *tail])


def step_line(record: Record, layout: RecordLayout) -> str:
    """One step."""
    head = f"step {int(record['step'])}  epoch {int(record['epoch'])}"
    known = {"lr": float(record["lr"][0]), "grad norm": float(record["grad_norm"])}
    rest = {name: value for name, value in known.items() if name.replace(" ", "_") not in layout.unmeasured}
    text = f"{head}  {figures(term_figures(record, layout) | rest)}  {class_line(record, layout)}"
    return printable(text).rstrip()


def event_line(event: Event) -> tuple[Severity, str] | None:
    """How serious an event is, and a line for it; none for those that only machines read."""
    if event.kind in (EventKind.PLAN, EventKind.CHECKPOINT):
        return None
    severity, words = event_words(event)
    words = printable(words)
    if event.kind is EventKind.COMMAND:
        words += f" (step {event.step})"
    if severity in (Severity.WARNING, Severity.ERROR):
        return severity, f"{severity.symbol} {words}"
    return severity, f"note: {words}" if event.kind is EventKind.NOTE else words


def fold(text: str, width: int) -> list[str]:
    """`text` in lines of at most `width` columns, broken between its parts, which are two spaces apart.

    What follows the first line is indented: under the figures where an epoch's line begins with two words, else by
    two; the averaged weights begin a line of their own. A part that is too long by itself is broken at spaces, or
    where it must be. In fewer than `LEAST_WIDTH` columns the terminal may break as it likes.
    """
    if cell_len(text) <= width or width < LEAST_WIDTH:
        return [text]
    labels = re.match(r"epoch \S+  (train|val  )  ", text)
    indent = " " * (labels.end() if labels and labels.end() <= width // 2 else 2)
    lines: list[str] = []
    current = ""
    for part in _atoms(text, width - len(indent)):
        if current.strip() and (cell_len(current) + cell_len(part.rstrip()) > width or part.startswith("ema:")):
            lines.append(current.rstrip())
            current = indent
        current += part
    return [*lines, current.rstrip()]


def _atoms(text: str, width: int) -> Iterator[str]:
    """Pieces of `text`, each with the spaces behind it, that fit into `width`; together they are `text`."""
    for part in re.findall(r".+?(?:  +|$)", text):
        if cell_len(part.rstrip()) <= width:
            yield part
            continue
        for word in re.findall(r"\S+\s*|\s+", part):
            yield from [word] if cell_len(word.rstrip()) <= width else chop_cells(word, width)
