"""A list of one-line rows under headings, of which only those on the screen are drawn. Knows nothing of what they say.

The cursor keeps to its row when the rows are replaced, so that a list can be brought up to date under the user's hands.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.content import Content
from textual.events import Click
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.style import Style
from textual.visual import Visual

from trainctl.tui.spoken import said
from trainctl.tui.widgets.lines import cut_line

MOST_KEPT = 512
"""Lines that are kept as they were drawn: several screens of them."""


@dataclass(frozen=True)
class Row:
    """One line.

    Args:
        key: what is chosen with it; empty: a heading, which the cursor passes over.
        draw: the line for a number of columns.
    """

    key: str
    draw: Callable[[int], Content]


class RowList(ScrollView, can_focus=True):
    """Rows with a cursor: enter or a second click chooses, space marks."""

    @dataclass
    class Chosen(Message):
        """Enter on a row."""

        rows: RowList
        key: str

    @dataclass
    class Marked(Message):
        """Space on a row."""

        rows: RowList
        key: str

    @dataclass
    class Moved(Message):
        """The cursor stands on another row; the key is empty where there is none."""

        rows: RowList
        key: str

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "move(-1)", show=False),
        Binding("down", "move(1)", show=False),
        Binding("pageup", "page(-1)", show=False),
        Binding("pagedown", "page(1)", show=False),
        Binding("home", "edge(0)", show=False),
        Binding("end", "edge(-1)", show=False),
        Binding("enter", "choose", show=False),
        Binding("space", "mark", show=False),
    ]
    COMPONENT_CLASSES: ClassVar[set[str]] = {"rows--cursor"}
    DEFAULT_CSS = """
    RowList { height: 1fr; background: $surface; scrollbar-size-vertical: 1; overflow-x: hidden; }
    RowList > .rows--cursor { background: $panel; }
    RowList:focus > .rows--cursor { background: $primary 8%; text-style: bold; }
    """

    def __init__(self, *, id: str | None = None, empty: str = "") -> None:
        self._strips: dict[object, Strip] = {}
        self._drawn: list[Strip | None] = []
        """What stands on the screen, from the top."""
        super().__init__(id=id)
        self._rows: Sequence[Row] = ()
        self._cursor = 0
        self._empty = empty
        self._told = ""

    @property
    def num_rows(self) -> int:
        """How many there are, headings included."""
        return len(self._rows)

    @property
    def chosen_key(self) -> str:
        """Key of the row under the cursor; empty where there is none."""
        return self._rows[self._cursor].key if self._cursor < len(self._rows) else ""

    def show_rows(self, rows: Sequence[Row], empty: str = "") -> None:
        """Replace the rows; `empty` is said where there is none."""
        key, at, self._empty = self.chosen_key, self._cursor, empty or self._empty
        self._rows = rows
        same = next((k for k, row in enumerate(rows) if row.key == key), None) if key else None
        self._cursor = self._nearest(at if same is None else same)
        offset, size = self.scroll_offset, Size(self.size.width, len(rows))
        is_new = self.virtual_size != size
        self.virtual_size = size
        if same is None or same != at:
            self._reveal()
        if is_new or offset != self.scroll_offset:
            self.refresh()
        else:
            self.refresh_changed()
        self._tell()

    def refresh_changed(self) -> None:
        """Draw those rows on the screen that say something else than they do there."""
        for y, drawn in enumerate(self._drawn[: self.size.height]):
            if self._line(y) is not drawn:
                self.refresh_lines(y + self.scroll_offset.y)

    def move_to(self, key: str) -> None:
        """Put the cursor on a row; nothing where there is no such row."""
        for k, row in enumerate(self._rows):
            if row.key == key:
                self._go(k)

    def render_line(self, y: int) -> Strip:
        """One row on the screen."""
        strip = self._line(y)
        self._drawn += [None] * (y + 1 - len(self._drawn))
        self._drawn[y] = strip
        return strip

    def _line(self, y: int) -> Strip:
        at, width = y + self.scroll_offset.y, self.size.width
        style = self.visual_style
        if not self._rows and y == 0:
            line = Content.styled(said(self._empty), "$chart-label")
        elif at >= len(self._rows):
            line = Content()
        else:
            line = self._rows[at].draw(width)
            if at == self._cursor:
                style += self.get_visual_style("rows--cursor", partial=True)
        return self._strip(line, width, style)

    def _strip(self, line: Content, width: int, style: Style) -> Strip:
        """The line as it is sent to the terminal; kept, as most lines are the same at the next look."""
        key = (line.plain, tuple(line.spans), width, style)
        if key not in self._strips:
            if len(self._strips) > MOST_KEPT:
                self._strips.clear()
            strips = Visual.to_strips(self, cut_line(line, width), width, 1, style, pad=True)
            self._strips[key] = strips[0] if strips else Strip.blank(width, style.rich_style)
        return self._strips[key]

    def notify_style_update(self) -> None:
        """Colours changed with the theme."""
        super().notify_style_update()
        self._strips.clear()

    def on_click(self, event: Click) -> None:
        """The first click moves the cursor, another one on the same row chooses."""
        at = event.get_content_offset(self)
        if at is None:
            return
        k = at.y + self.scroll_offset.y
        if k >= len(self._rows) or not self._rows[k].key:
            return
        if k == self._cursor and event.chain > 1:
            self.action_choose()
        self._go(k)

    def action_move(self, by: int) -> None:
        """To the next row that is no heading."""
        at = self._cursor + by
        while 0 <= at < len(self._rows) and not self._rows[at].key:
            at += by
        if 0 <= at < len(self._rows):
            self._go(at)
        else:
            self.scroll_to(y=0 if by < 0 else self.max_scroll_y, animate=False)

    def action_page(self, by: int) -> None:
        """A screenful further."""
        self._go(self._nearest(self._cursor + by * max(self.size.height - 1, 1)))

    def action_edge(self, at: int) -> None:
        """To the first or the last row."""
        self._go(self._nearest(0 if at == 0 else len(self._rows) - 1))

    def action_choose(self) -> None:
        """Say that the row was chosen."""
        if self.chosen_key:
            self.post_message(self.Chosen(self, self.chosen_key))

    def action_mark(self) -> None:
        """Say that the row was marked."""
        if self.chosen_key:
            self.post_message(self.Marked(self, self.chosen_key))

    def _go(self, at: int) -> None:
        before, offset = self._cursor, self.scroll_offset
        self._cursor = at
        self._reveal()
        if offset == self.scroll_offset:  # the others stand as they stood
            self.refresh_lines(before)
            self.refresh_lines(at)
        else:
            self.refresh()
        self._tell()

    def _tell(self) -> None:
        if self.chosen_key != self._told:
            self._told = self.chosen_key
            self.post_message(self.Moved(self, self._told))

    def _reveal(self) -> None:
        # The heading above stays in sight with its first row.
        above = self._cursor > 0 and not self._rows[self._cursor - 1].key
        region = Region(0, self._cursor - above, 1, 1 + above)
        self.scroll_to_region(region, animate=False, force=True)

    def _nearest(self, at: int) -> int:
        """The row at or after a place that is no heading, else the last before it."""
        keyed = [k for k, row in enumerate(self._rows) if row.key]
        return next((k for k in keyed if k >= at), keyed[-1] if keyed else 0)
