"""What every key of the list of runs does, what its marks mean, and the language of its filter. Knows no run."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Static

from trainctl.tui.listing.filters import FIGURES, TEXTS
from trainctl.tui.plain import columns
from trainctl.tui.screens.dialogs.dialog import Dialog
from trainctl.tui.spoken import said
from trainctl.tui.widgets.run_rows import LAID_OVER, PINNED, PRESENT

KEYS = (
    ("enter", "open the run; so do two clicks"),
    ("spc", "lay it over the run that is looked at, or take it away"),
    ("k", "compare what is laid over"),
    ("/", "filter; esc takes the filter away"),
    ("s", "sort by the next column, < by the one before; or click on a heading"),
    ("i", "sort the other way round; or click on the heading again"),
    ("p", "keep the run on top, or no more; remembered"),
    ("g", "trials of a study together"),
    ("N", "always the newest run: the cursor follows it, and the cockpit opens each as it begins"),
    ("v", "the run under the cursor beside the list, or not"),
    ("D", "delete the run, after a question"),
    ("R", "give it another name; its date and id stay"),
    ("q", "back"),
)
MARKS = (
    (PRESENT, "the run that is looked at"),
    (LAID_OVER, "laid over it, in this colour"),
    (PINNED, "stays on top"),
    ("▁▃▆", "the loss from the first step to the last, from 0 up; then its last value"),
    ("+3", "three columns more than there is room for"),
)
FILTER = (
    ("weld", "occurs in name, preset, state, study or metric"),
    ("-weld", "does not occur; - in front of anything means not"),
    ("state:running,paused", "the field has one of these in it; = asks for the whole"),
    ("f1>.9", "the best value of a metric; < <= > >= = !="),
    ("age<2d took>1h", "times: s, min, h, d, w"),
    ('name:"a b"', "quotes keep a blank"),
)
FIELD_COLUMNS = max(len(example) for example, _ in FILTER)
FIELDS = (("texts", ", ".join(TEXTS)), ("figures", ", ".join(FIGURES)))
"""What can be asked for by name, as it is typed."""


class RunsHelp(Dialog[None]):
    """One page of help."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("question_mark,q", "close", "close", show=False)]

    def compose(self) -> ComposeResult:
        """Keys, marks, filter."""
        rows = list[Content]()
        for heading, lines in (("Keys", KEYS), ("Marks", MARKS), ("Filter", FILTER)):
            width = max(8, *(len(key) for key, _ in lines))
            rows.append(Content.styled(said(heading), "bold"))
            rows += [*(_row(key, said(text), width) for key, text in lines), Content("")]
        rows[-1:] = [_row(said(kind), names, FIELD_COLUMNS) for kind, names in FIELDS]
        with VerticalScroll() as box:
            box.border_title = said("the list of runs")
            box.border_subtitle = said("esc closes")
            yield Static(Content("\n").join(rows))


def _row(key: str, text: str, width: int) -> Content:
    key = " " * max(width - columns(key), 0) + key
    return Content("").join([Content.styled(f"{key}  ", "bold $accent"), Content(text)])
