"""The page of the data: class balance, batches of the first epoch, tensors, samples as pictures.

The data is looked through by a `trainctl data` in a process of its own, which ends with the page; each part is shown
when it is ready.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.geometry import Size
from textual.widget import Widget

from trainctl.tui.charts.axis import duration
from trainctl.tui.charts.framed import frame_css
from trainctl.tui.processes.jobs import Job
from trainctl.tui.screens.jobs.page import AGAIN, CLOSE, JobPage
from trainctl.tui.spoken import said
from trainctl.tui.widgets.pictures import Caption, Pictures, Tile
from trainctl.tui.words.data import TITLES, Lines, section_lines
from trainctl.tui.words.styles import COCKPIT

SECTIONS = ("balance", "sampler", "tensors", "samples")


class SectionView(Widget):
    """One part of the audit in words, as high as it needs."""

    DEFAULT_CSS = frame_css("SectionView", "height: auto; min-height: 3;")

    def __init__(self, section: str) -> None:
        super().__init__(id=section)
        self.border_title = Content.styled(f"{SECTIONS.index(section) + 1} {said(TITLES[section])}", "bold")
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
                    [Content.styled(text, COCKPIT[style]) if style else Content(text) for text, style in line]
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

    DEFAULT_CSS = frame_css("SamplesView", "height: auto; min-height: 3;")


class DataScreen(JobPage[None]):
    """Looks through the data and shows it.

    Args:
        title: whose data it is.
        words: command line of the audit after `trainctl`.
        environ: environment of the process.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        CLOSE,
        Binding("1", "section('balance')", "balance"),
        Binding("2", "section('sampler')", "batches"),
        Binding("3", "section('tensors')", "tensors"),
        Binding("4", "section('samples')", "samples"),
        Binding("a", "augmented", "augmented"),
        AGAIN,
    ]
    DEFAULT_CSS = """
    DataScreen > #parts { height: 1fr; scrollbar-size-vertical: 1; }
    """
    job_name = "looking at the data"

    def __init__(self, title: str, words: Sequence[str], environ: Mapping[str, str]) -> None:
        super().__init__(words, environ)
        self._title = title
        self._found: dict[str, dict[str, Any]] = {}
        self._is_augmented = False

    def compose_page(self) -> Iterable[Widget]:
        """The parts, one below the other."""
        with VerticalScroll(id="parts"):
            for section in SECTIONS[:-1]:
                yield SectionView(section)
            yield SamplesView(id="samples")

    def on_mount(self) -> None:
        """Let the parts have the keys."""
        self.query_one("#parts").focus()
        self._name_samples()

    # --- the job ------------------------------------------------------------------------------------------

    def forget(self) -> None:
        """Every part is missing again."""
        self._found = {}

    def hear(self, data: dict[str, Any]) -> None:
        """A part is ready."""
        if data.get("section") in SECTIONS:
            self._show_section(str(data["section"]), data["found"])

    def is_complete(self, message: Job.Ended) -> bool:
        """The parts came on the way."""
        return message.code == 0

    # --- keys -----------------------------------------------------------------------------------------------

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
        title = f"4 {said(TITLES['samples'])}"
        parts = [Content.styled(title, "bold"), Content.styled(f"  {said(how)}", "$chart-label")]
        view.border_title = Content("").join(parts)

    def title_parts(self) -> Iterable[Content]:
        """How far it is, whose data it is."""
        words = f"looked through in {duration(self.spent_s)}" if self.is_done else self._work()
        title = Content.styled(said(self._title), "$chart-label")
        return Content.styled(said("Data"), "bold"), self.state(words), title

    def _work(self) -> str:
        missing = [TITLES[section].lower() for section in SECTIONS if section not in self._found]
        if len(missing) == len(SECTIONS):
            return "loading"
        return missing[0] if missing else "finishing"


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
