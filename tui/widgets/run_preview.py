"""The run under the cursor of a list: what to think of it, its loss and its metric, how it is configured. Reads no
files.
"""

from __future__ import annotations

from collections.abc import Sequence

from textual.app import ComposeResult
from textual.containers import Container
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Static

from trainctl.engine.runs.states import RunState
from trainctl.tui.charts.axis import duration, short
from trainctl.tui.listing.preview import Change, Preview
from trainctl.tui.plain import columns, cut, fitted, in_lines, padded, printable
from trainctl.tui.run.scene import Scene
from trainctl.tui.run.view import RunView
from trainctl.tui.spoken import said
from trainctl.tui.widgets.header import progress_figures
from trainctl.tui.widgets.loss import LossPanel
from trainctl.tui.widgets.validation import ValidationPanel
from trainctl.tui.words.styles import SEVERITIES
from trainctl.tui.words.verdict import alive_words, state_word

DIM = "$chart-label"
HEAD_ROWS, LEAST_CHARTS, LAST_WORDS = 6, 14, 6
"""Rows of the head, that two charts under one another need, and of the last words."""
FEW_ROWS, MOST_ROWS = 3, 20
"""Rows of the foot below a list, and at most."""


class _Loss(LossPanel, can_focus=False):
    """To look at: the keys stay with the list."""


class _Validation(ValidationPanel, can_focus=False):
    """The same."""


class RunPreview(Widget):
    """Head, two small charts, foot.

    Args:
        is_compared: there is a run that is looked at, with which configurations are compared.
    """

    DEFAULT_CSS = """
    RunPreview { layout: vertical; border-left: solid $chart-border; padding: 0 0 0 1; }
    RunPreview.-below { border-left: none; border-top: solid $chart-border; padding: 0; }
    RunPreview #charts { height: 1fr; layout: vertical; }
    RunPreview.-below #charts { layout: horizontal; }
    """

    def __init__(self, *, is_compared: bool) -> None:
        super().__init__()
        self._is_compared = is_compared
        self._preview: Preview | None = None
        self._head, self._foot = Static(markup=False), Static(markup=False)
        self._loss, self._validation = _Loss(), _Validation()
        self._charts = Container(self._loss, self._validation, id="charts")

    def compose(self) -> ComposeResult:
        """What to think, curves, details."""
        yield self._head
        yield self._charts
        yield self._foot

    def on_resize(self) -> None:
        """Another width has room for other words."""
        self._write()

    def show(self, preview: Preview | None, empty: str = "") -> None:
        """Show this run; none: say why there is nothing to show."""
        self._preview = preview
        if self._charts.display is not (preview is not None):
            self._charts.display = preview is not None
        if preview is None:
            _put(self._head, [Content.styled(said(empty), DIM)], HEAD_ROWS)
            _put(self._foot, [], 0)
        self._write()

    def _write(self) -> None:
        preview, width = self._preview, self.size.width - 2
        if preview is None or width < 1:
            return
        scene, is_below = Scene(), self.has_class("-below")
        self._loss.show(preview.view, scene)
        self._validation.show(preview.view, scene)
        _put(self._head, head_lines(preview, width), HEAD_ROWS)
        rows = self.size.height - HEAD_ROWS - LEAST_CHARTS
        most = FEW_ROWS if is_below else min(max(rows, 0), MOST_ROWS)
        lines = foot_lines(preview, width, is_compared=self._is_compared)
        shown = lines if len(lines) <= most else [*lines[: most - 1], _dim(said(f"+{len(lines) - most + 1} more"))]
        _put(self._foot, shown[:most], min(max(len(shown), FEW_ROWS), most))


def _put(words: Static, lines: Sequence[Content], rows: int) -> None:
    """Write lines into so many rows. Only another number of rows lays the screen out anew: that takes longer than all
    else that is drawn when the cursor moves."""
    if words.styles.height is None or words.styles.height.value != rows:
        words.styles.height = rows
    words.update(Content("\n").join(lines), layout=False)


def head_lines(preview: Preview, width: int) -> list[Content]:
    """Name, where it stands, how far it is, what to think of it."""
    view = preview.view
    word, severity = state_word(view)
    badge = Content.styled(f" {said(word).upper()} ", f"bold $background on {SEVERITIES[severity]}")
    what = view.preset or str((view.meta or {}).get("task") or "")
    first = Content("").join([badge, Content(f" {fitted(what, max(width - badge.cell_length - 1, 0))}")])
    told = preview.headline
    head = f"{told.severity.symbol} {said(told.severity.value)}  "
    lines = [Content.styled(cut(view.paths.root.name, width), "bold"), first]
    figures = [alive_words(view)[0]] if view.state is RunState.STARTING else [*progress_figures(view), _took(view)]
    lines.append(Content.styled(fitted("  ".join(said(part) for part in figures if part), width), "$secondary"))
    lines += _wrapped(head + printable(said(told.text)), width, 3, f"bold {SEVERITIES[told.severity]}")
    return lines


def foot_lines(preview: Preview, width: int, *, is_compared: bool) -> list[Content]:
    """The last words of a run in trouble, then its configuration."""
    lines: list[Content] = []
    if preview.is_in_trouble and preview.words:
        lines.append(_dim(said("last words")))
        lines += [Content(cut(line, width)) for line in preview.words[-LAST_WORDS:]]
    if preview.changes is not None:
        lines += change_lines(preview.changes, width, is_compared=is_compared)
    return lines


def change_lines(changes: tuple[Change, ...], width: int, *, is_compared: bool) -> list[Content]:
    """A line for each value that differs from the run that is looked at, or that was set for this run."""
    if not changes:
        return [_dim(said("configured as the run that is looked at" if is_compared else "configured as its preset"))]
    room = min(max(columns(name) for name, _, _ in changes), max(width // 2, 1))
    lines = [_dim(said("differs from the run that is looked at" if is_compared else "set for this run"))]
    for name, old, new in changes:
        shown = f"{_plain(old)} -> {_plain(new)}" if is_compared else _plain(new)
        value = Content(cut(shown, max(width - room - 2, 1)))
        lines.append(Content("").join([Content.styled(f"{padded(name, room)}  ", DIM), value]))
    return lines


def _took(view: RunView) -> str:
    seconds = view.summary.seconds if view.summary else 0.0
    return f"took {duration(seconds)}" if seconds > 0 else ""


def _plain(value: object) -> str:
    if value is None:
        return "-"
    return short(value, 6) if isinstance(value, float) else printable(str(value))


def _wrapped(text: str, width: int, most: int, style: str) -> list[Content]:
    """The text in at most so many lines, broken between words; what is left of it is counted."""
    lines = in_lines(text, width)
    if len(lines) > most:
        lines[most - 1 :] = [(" " if text.isascii() else "").join(lines[most - 1 :])]
    return [Content.styled(cut(line, width), style) for line in lines]


def _dim(text: str) -> Content:
    return Content.styled(text, DIM)
