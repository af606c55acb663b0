"""The lines of the live block: where a run stands, at most as wide as the terminal. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence

from rich.cells import cell_len

from trainctl.engine.runs.record import RecordLayout
from trainctl.engine.runs.status import Status
from trainctl.tui.charts.axis import duration
from trainctl.tui.cli.live.lines import Record, class_line, fold, term_figures
from trainctl.tui.cli.live.region import Piece
from trainctl.tui.plain import padded, printable
from trainctl.tui.spoken import said, said_in_parts
from trainctl.tui.words.events import figures, number

LARGEST, BAR_SMALLEST, BAR_LARGEST = 100, 8, 40
"""Columns: of the block (a wider one is not read faster), and of the bar."""

HEAD_COLUMNS = 6
Lines = list[list[Piece]]


def live_block(status: Status, layout: RecordLayout, record: Record, width: int, encoding: str) -> Lines:
    """Epoch with its bar and the time left; loss terms; learning rate, gradient norm and speed; classes.

    Args:
        status: of the run.
        layout: of its records.
        record: the newest.
        width: columns of the terminal.
        encoding: of the terminal; the bar is plain where it lacks the characters.
    """
    room = max(min(width, LARGEST) - 1, 1)  # the last column stays free: some terminals wrap when it is filled
    optimisation = {"lr": float(record["lr"][0]), "grad norm": float(record["grad_norm"])}
    speed = {"steps/s": status.steps_per_s, "samples/s": status.samples_per_s}
    speeds = "  ".join(f"{number(value)} {unit}" for unit, value in speed.items() if value > 0)
    rows = {"loss": figures(_terms(record, layout)), "step": f"{figures(optimisation)}  {speeds}"}
    rows |= {"batch": class_line(record, layout)}
    texts = [f"  {padded(said(head), HEAD_COLUMNS)}  {said_in_parts(text)}" for head, text in rows.items() if text]
    body: Lines = [[(row, "")] for text in texts for row in fold(printable(text).rstrip(), room)]
    return [_head(status, record, room, encoding), *body]


def _terms(record: Record, layout: RecordLayout) -> dict[str, float]:
    """The total under the name of nothing else, then each term."""
    terms = term_figures(record, layout)
    total = terms.pop("loss")
    return {"total": total} | terms if len(layout.terms) > 1 else terms


def _head(status: Status, record: Record, room: int, encoding: str) -> list[Piece]:
    step, epoch = int(record["step"]), int(record["epoch"])
    state = f"{said(status.state)}  " + said(f"epoch {epoch}/{status.epochs}" if status.epochs else f"epoch {epoch}")
    left = duration(math.nan if status.eta_s is None else status.eta_s)
    for words in (f"step {step:,}/{status.total_steps:,}  ETA {left}", f"ETA {left}", ""):
        tail = said_in_parts(words)
        bar = min(room - cell_len(state) - cell_len(tail) - 4, BAR_LARGEST)
        if bar >= BAR_SMALLEST:
            return [(f"{state}  ", "bold"), *_bar(_share(status, step), bar, encoding), (f"  {tail}", "")]
    return [(state[:room], "bold")]


def _share(status: Status, step: int) -> float:
    """How much of the epoch is done, 0 to 1."""
    per_epoch = max(1, status.total_steps // max(1, status.epochs))
    return ((step - 1) % per_epoch + 1) / per_epoch


def _bar(share: float, width: int, encoding: str) -> Sequence[Piece]:
    full, empty = "━", "╌"
    try:
        (full + empty).encode(encoding)
    except (UnicodeEncodeError, LookupError):
        full, empty = "#", "."
    done = min(int(share * width + 0.5), width)
    return [(full * done, "green"), (empty * (width - done), "dim")]
