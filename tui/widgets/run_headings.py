"""What stands above the columns of a list of runs; a click sorts by the one that was hit. Reads no files."""

from __future__ import annotations

from dataclasses import dataclass

from textual.content import Content
from textual.events import Click
from textual.message import Message
from textual.widget import Widget

from trainctl.tui.widgets.run_rows import RunTable


class RunHeadings(Widget):
    """One row of headings."""

    @dataclass
    class Hit(Message):
        """A click on the heading of a column that can be sorted by."""

        column: str

    ALLOW_SELECT = False
    DEFAULT_CSS = """
    RunHeadings { height: 1; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._table = RunTable()

    def show(self, table: RunTable) -> None:
        """Stand above this table."""
        self._table = table
        self.refresh()

    def render(self) -> Content:
        """The words."""
        return self._table.headings(self.size.width)

    def on_click(self, event: Click) -> None:
        """Say which column was hit."""
        column = self._table.column_at(event.x, self.size.width)
        if column:
            self.post_message(self.Hit(column))
