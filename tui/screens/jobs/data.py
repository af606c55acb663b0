"""The page of the data: class balance, batches of the first epoch, tensors, samples as pictures.

The data is looked through by a `trainctl data` in a process of its own, which ends with the page; each part is shown
when it is ready.
"""

from __future__ import annotations

import base64
import time
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.geometry import Size
from textual.screen import Screen
from textual.widget import Widget
from textual.widgets import Static

from trainctl.engine.errors import UserError
from trainctl.tui.charts.axis import duration
from trainctl.tui.processes.jobs import Job
from trainctl.tui.widgets.key_bar import KeyBar
from trainctl.tui.widgets.pictures import Caption, Pictures, Tile
from trainctl.tui.words.data import TITLES, Lines, section_lines

TICK_S = 0.5
SECTIONS = ("balance", "sampler", "tensors", "samples")
STYLES = {"ok": "$success", "warning": "$warning", "error": "bold $error", "bar": "$series-0", "dim": "$chart-label",
          "bold": "bold"}  # fmt: skip


class SectionView(Widget):
    """One part of the audit in words, as high as it needs."""

    DEFAULT_CSS = """
    SectionView { height: auto; min-height: 3; border: round $chart-border; border-title-color: $foreground; }
    """

    def __init__(self, section: str) -> None:
        super().__init__(id=section)
        self.border_title = Content.styled(f"{SECTIONS.index(section) + 1} {TITLES[section]}", "bold")
        self._section = section
        self._found: Mapping[str, Any] | None = None

    def show_found(self, found: Mapping[str, Any]) -> None:
        """Show this from now on."""
        self._found = found
        self.refresh(layout=True)

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        """Lines at this width."""
        return max(len(self._lines(width)), 1)

    def render(self) -> Content:
        """The lines."""
        return Content("\n").join(
            [
                Content("").join(
                    [Content.styled(text, STYLES[style]) if style else Content(text) for text, style in line]
                )
                for line in self._lines(self.size.width)
            ]
        )

    def _lines(self, width: int) -> Lines:
        if self._found is None:
            return [(("…", "dim"),)]
        return section_lines(self._section, self._found, width)


class SamplesView(Pictures):
    """Samples as pictures, by class; as stored, or as training changes them."""

    DEFAULT_CSS = """
    SamplesView { height: auto; min-height: 3; border: round $chart-border; border-title-color: $foreground; }
    """


class DataScreen(Screen[None]):
    """Looks through the data and shows it.

    Args:
        title: whose data it is.
        words: command line of the audit after `trainctl`.
        environ: environment of the process.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "close", "back"),
        Binding("1", "section('balance')", "balance"),
        Binding("2", "section('sampler')", "batches"),
        Binding("3", "section('tensors')", "tensors"),
        Binding("4", "section('samples')", "samples"),
        Binding("a", "augmented", "augmented"),
        Binding("r", "again", "again"),
    ]
    DEFAULT_CSS = """
    DataScreen { background: $background; }
    DataScreen > #title { height: 1; background: $panel; padding: 0 1; text-wrap: nowrap; text-overflow: ellipsis; }
    DataScreen > #parts { height: 1fr; scrollbar-size-vertical: 1; }
    """

    def __init__(self, title: str, words: Sequence[str], environ: Mapping[str, str]) -> None:
        super().__init__()
        self._title, self._words, self._environ = title, tuple(words), environ
        self._job: Job | None = None
        self._failure = ""
        self._found: dict[str, dict[str, Any]] = {}
        self._is_augmented = False
        self._started, self._seconds = time.monotonic(), 0.0

    def compose(self) -> ComposeResult:
        """Title, then the parts, one below the other."""
        yield Static(id="title", markup=False)
        with VerticalScroll(id="parts"):
            for section in SECTIONS[:-1]:
                yield SectionView(section)
            yield SamplesView(id="samples")
        yield KeyBar()

    def on_mount(self) -> None:
        """Begin."""
        self.query_one("#parts").focus()
        self.set_interval(TICK_S, self._show_title)
        self._name_samples()
        self.action_again()

    def on_unmount(self) -> None:
        """End what is under way."""
        if self._job is not None:
            self._job.close()

    # --- the job ------------------------------------------------------------------------------------------

    def action_again(self) -> None:
        """Look through the data anew."""
        if self._job is not None:
            self._job.close()
        self._failure, self._seconds, self._started = "", 0.0, time.monotonic()
        self._found = {}
        self._job = Job(self, self._words, self._environ)
        try:
            self._job.start()
        except UserError as err:
            self._failure = str(err)
        self._show_title()

    def on_job_said(self, message: Job.Said) -> None:
        """A part is ready."""
        data = message.data
        if message.job is not self._job or message.stream != "err" or data is None:
            return
        if data.get("section") in SECTIONS:
            self._show_section(str(data["section"]), data["found"])
        self._show_title()

    def on_job_ended(self, message: Job.Ended) -> None:
        """Say why parts are missing, where they are."""
        if message.job is not self._job:
            return
        self._seconds = time.monotonic() - self._started
        if message.code != 0:
            complaint = message.complaint.removeprefix("trainctl: error: ")
            self._failure = complaint or f"looking at the data ended with code {message.code}"
        self._show_title()

    # --- keys -----------------------------------------------------------------------------------------------

    def action_close(self) -> None:
        """Back to the cockpit."""
        self.dismiss()

    def action_section(self, section: str) -> None:
        """Go to a part."""
        self.query_one(f"#{section}").scroll_visible(top=True, animate=False)

    def action_augmented(self) -> None:
        """Samples as they are stored, or as training changes them."""
        self._is_augmented = not self._is_augmented
        if "samples" in self._found:
            self._show_section("samples", self._found["samples"])
        self.action_section("samples")

    # --- what is seen ---------------------------------------------------------------------------------------

    def _show_section(self, section: str, found: dict[str, Any]) -> None:
        self._found[section] = found
        if section != "samples":
            self.query_one(f"#{section}", SectionView).show_found(found)
            return
        self.query_one(SamplesView).show_tiles(tiles_of(found, augmented=self._is_augmented))
        self._name_samples()

    def _name_samples(self) -> None:
        view = self.query_one(SamplesView)
        found = self._found.get("samples", {})
        how = "as training changes them" if self._is_augmented else "as stored"
        how = str(found.get("no_pictures") or found.get("missing") or how)
        parts = [Content.styled(f"4 {TITLES['samples']}", "bold"), Content.styled(f"  {how}", "$chart-label")]
        view.border_title = Content("").join(parts)

    def _show_title(self) -> None:
        parts = [Content.styled("Data", "bold"), self._state(), Content.styled(self._title, "$chart-label")]
        self.query_one("#title", Static).update(Content("  ").join(parts))

    def _state(self) -> Content:
        if self._failure:
            return Content.styled(f"× {self._failure}", "bold $error")
        if self._seconds:
            return Content.styled(f"✓ looked through in {duration(self._seconds)}", "$success")
        missing = [TITLES[section].lower() for section in SECTIONS if section not in self._found]
        spent = duration(time.monotonic() - self._started)
        if len(missing) == len(SECTIONS):
            return Content(f"loading, {spent}")
        return Content(f"{missing[0] if missing else 'finishing'}, {spent}")


def tiles_of(found: Mapping[str, Any], *, augmented: bool) -> list[Tile]:
    """A tile per sample: its class and its name below the picture."""
    key = "augmented" if augmented else "image"
    classes: Sequence[str] = found.get("classes", ())
    return [
        Tile(
            unpacked(sample[key]) if sample.get(key) else None,
            (
                Caption("" if sample["class"] is None else str(classes[sample["class"]]), "text"),
                Caption(str(sample["name"]).rstrip("/").rpartition("/")[2], "dim"),
            ),
        )
        for sample in found.get("samples", ())
    ]


def unpacked(image: Mapping[str, Any]) -> NDArray[np.uint8]:
    """A thumbnail from plain data, uint8 (H, W, 3); black where its bytes do not fit its size."""
    shape = (int(image["height"]), int(image["width"]), 3)
    data = np.frombuffer(base64.b64decode(image["data"]), np.uint8)
    return data.reshape(shape) if data.size == int(np.prod(shape)) else np.zeros(shape, np.uint8)
