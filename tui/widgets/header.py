"""The top of the cockpit: which run, how far, how fast, alive or not, and whether to worry. Reads no files."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.cells import cell_len
from textual.content import Content
from textual.widget import Widget

from trainctl.tui.charts.axis import duration, short
from trainctl.tui.plain import cut, cut_start, fitted, printable
from trainctl.tui.run.view import RunView
from trainctl.tui.spoken import said
from trainctl.tui.words.styles import SEVERITIES
from trainctl.tui.words.verdict import Verdict, alive_words, state_word, verdict

if TYPE_CHECKING:
    from trainctl.engine.diagnosis.finding import Finding


READ_ONLY = "READ ONLY"


class RunHeader(Widget):
    """Three lines that a glance must be enough for.

    Args:
        is_readonly: nothing can be asked of the run from here, which a badge says.
    """

    DEFAULT_CSS = """
    RunHeader { height: 3; dock: top; background: $panel; padding: 0 1; }
    """

    def __init__(self, *, id: str | None = None, is_readonly: bool = False) -> None:
        super().__init__(id=id)
        self._is_readonly = is_readonly
        self._view: RunView | None = None
        self._last_words = ""
        self._findings: tuple[Finding, ...] = ()
        self._judged: Verdict | None = None

    def show(self, view: RunView, last_words: str = "") -> None:
        """Show this state; `last_words` is the last line of the console."""
        self._view, self._last_words = view, last_words
        self.refresh()

    def show_findings(self, findings: Sequence[Finding], judged: Verdict) -> None:
        """Let the verdict take these into account, the most serious first, and what the judgement comes to."""
        self._findings, self._judged = tuple(findings), judged
        self.refresh()

    def render(self) -> Content:
        """The three lines, as far as they fit."""
        if self._view is None:
            return Content(said("starting"))
        width = self.size.width
        lines = (
            identity_line(self._view, width, is_readonly=self._is_readonly),
            progress_line(self._view, width),
            verdict_line(self._view, self._last_words, width, self._findings, self._judged),
        )
        return Content("\n").join(lines)


def identity_line(view: RunView, width: int, *, is_readonly: bool = False) -> Content:
    """State, preset and name of the run on the left; sign of life on the right."""
    word, severity = state_word(view)
    alive, how = alive_words(view)
    badge = Content.styled(f" {said(word).upper()} ", f"bold $background on {SEVERITIES[severity]}")
    if is_readonly:
        second = Content.styled(f" {said(READ_ONLY)} ", "bold $background on $secondary")
        badge = Content("").join([badge, Content(" "), second])
    right = Content.styled(said(alive), SEVERITIES[how])
    name, preset = printable(view.paths.root.name), printable(view.preset)
    room = width - badge.cell_length - right.cell_length - cell_len(preset) - 6
    left = [badge, Content.styled(f"  {preset}", "bold")] if preset else [badge]
    if room >= 12 or not preset:
        room = max(room, 12)
        left.append(Content.styled(f"  {cut_start(name, room)}", "$secondary"))
    line = Content("").join(left)
    return Content("").join([line, Content(" " * max(width - line.cell_length - right.cell_length, 1)), right])


def progress_line(view: RunView, width: int) -> Content:
    """A bar and as many of the figures as fit, the most important first."""
    text = fitted("   ".join(map(said, progress_figures(view))), width)
    bar = width - cell_len(text) - 3
    if bar < 10 or not view.status or not view.status.total_steps:
        return Content(text)
    done = min(view.step / view.status.total_steps, 1.0)
    filled = round(done * bar)
    return Content("").join(
        [
            Content(text + "   "),
            Content.styled("━" * filled, "$primary"),
            Content.styled("─" * (bar - filled), "$chart-faint"),
        ]
    )


def progress_figures(view: RunView) -> list[str]:
    """Epoch, step, time left, speeds and device, the most important first."""
    status = view.status
    if status is None or not (status.epochs or status.total_steps or view.step):
        return ["epoch -", "step -"]
    figures: list[str] = []
    if status.epoch or not view.step:  # of a loop that is not ours it may not be known, nor how many there will be
        figures.append(
            f"epoch {status.epoch:.0f}/{status.epochs:.0f}" if status.epochs else f"epoch {status.epoch:.0f}"
        )
    done, total = view.step, status.total_steps
    figures.append(f"step {done:.0f}/{total:.0f} {done / total:.0%}" if total else f"step {done:.0f}")
    if status.eta_s is not None and not view.is_over:
        figures.append(f"ETA {duration(status.eta_s)}")
    if status.steps_per_s > 0:
        figures.append(f"{short(status.steps_per_s)} steps/s")
    if status.samples_per_s > 0:
        figures.append(f"{short(status.samples_per_s)} samples/s")
    return [*figures, printable(status.device)]


def verdict_line(
    view: RunView, last_words: str, width: int, findings: Sequence[Finding] = (), judged: Verdict | None = None
) -> Content:
    """Whether to worry, and what was asked of the run but not done yet."""
    found = verdict(view, last_words, findings, judged)
    head = f"{found.severity.symbol} {said(found.severity.value)}  "
    asked = said(f"asked: {', '.join(view.asked.values())}") if view.asked and not view.is_over else ""
    room = max(width - cell_len(head) - (cell_len(asked) + 2 if asked else 0), 1)
    left = Content.styled(head + cut(said(found.text), room), f"bold {SEVERITIES[found.severity]}")
    if not asked:
        return left
    gap = max(width - left.cell_length - cell_len(asked), 1)
    return Content("").join([left, Content(" " * gap), Content.styled(asked, "$warning")])
