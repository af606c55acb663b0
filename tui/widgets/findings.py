"""A list of findings to choose from, and findings in full: the words of the report, in the cockpit's colours.

Gets findings; judges nothing and reads no files.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from textual.content import Content
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from trainctl.tui.plain import in_lines
from trainctl.tui.spoken import said, said_in_columns
from trainctl.tui.words.styles import COCKPIT, SEVERITIES

if TYPE_CHECKING:
    from trainctl.engine.diagnosis.finding import Finding

ReportLine = Sequence[tuple[str, str]]
"""Pieces of text, each with the name of its style, as `engine.diagnosis.report` builds them."""

LEAST_ROOM = 32
"""Columns below which a text goes under its label, not beside it; so it does under one that takes half of the room."""


class FindingList(OptionList):
    """Findings, the cause to deal with first on top. Up and down choose, enter or a click asks for the explanation."""

    DEFAULT_CSS = """
    FindingList { scrollbar-size-vertical: 1; background: $background; }
    FindingList > .option-list--option-highlighted { background: $background; color: $foreground; text-style: none; }
    FindingList:focus > .option-list--option-highlighted { background: $panel; text-style: none; }
    """

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id, markup=False)
        self.findings: tuple[Finding, ...] = ()
        self._shown_texts: list[Content] = []
        self._rows_at: dict[int, int] = {}

    def num_rows(self, width: int) -> int:
        """Rows that all of it takes in so many columns."""
        if width not in self._rows_at:
            self._rows_at = {width: sum(len(text.wrap(max(width, 1))) for text in self._shown_texts)}
        return self._rows_at[width]

    @property
    def chosen(self) -> Finding | None:
        """The finding the cursor is on; none where it is on none."""
        option = self.highlighted_option
        return None if option is None else next((f for f in self.findings if f.code == option.id), None)

    def show_findings(
        self,
        first: Iterable[tuple[str, Content]],
        findings: Sequence[Finding],
        words: Callable[[Finding], Content] | None = None,
    ) -> None:
        """Show lines with a name each, then the findings in these words. The cursor stays on what it was on."""
        before = self.highlighted_option.id if self.highlighted_option else None
        self.findings = tuple(findings)
        named = [*first, *((finding.code, (words or finding_summary)(finding)) for finding in self.findings)]
        options = [Option(content, id=name) for name, content in named]
        self._shown_texts, self._rows_at = [content for _, content in named], {}
        self.set_options(options)
        names = [option.id for option in options]
        own = names.index(self.findings[0].code) if self.findings else 0
        self.highlighted = names.index(before) if before in names[1:] else own if options else None


def finding_summary(finding: Finding) -> Content:
    """What was found and what to do about it: two lines, longer where they must wrap."""
    from trainctl.tui.health.health import SEVERITY

    severity = SEVERITY[finding.severity]
    follows = "└ " if finding.consequence_of else ""
    head = Content.styled(f"{follows}{severity.symbol} {said(finding.name)}", f"bold {SEVERITIES[severity]}")
    reason = f", {said(f'follows from {finding.consequence_of}')}" if finding.consequence_of else ""
    code = Content.styled(f" ({finding.code}{reason})", "$chart-label")
    parts = [head, Content(f" — {said(finding.summary)}" if finding.summary else ""), code]
    if finding.fix.text and not finding.consequence_of:
        parts.append(Content.styled(f"\n  → {said(finding.fix.text)}", "$foreground"))
    return Content("").join(parts)


def hanging(lines: Iterable[ReportLine], width: int) -> Content:
    """Lines of the report, at most `width` wide: a last piece that does not fit goes on under itself."""
    return Content("\n").join([row for line in lines for row in _rows(line, width)])


def styled(line: ReportLine) -> Content:
    """A line of the report in the cockpit's colours, its columns as wide as they were."""
    return Content("").join([Content.styled(said_in_columns(text), COCKPIT.get(name, "")) for text, name in line])


def _rows(line: ReportLine, width: int) -> list[Content]:
    if not line:
        return [Content("")]
    *starts, (text, style) = line
    start, text = styled(starts), said(text)
    indent = start.cell_length
    if width - indent < LEAST_ROOM or 2 * indent >= width:  # no room beside it: under it
        start, indent, starts = Content("").join([start.rstrip(), Content("\n    ")]), 4, []
    parts = in_lines(text, max(width - indent, 8)) or [""]
    rows = [Content("").join([start, Content.styled(parts[0], COCKPIT.get(style, ""))])]
    rest = [Content(" " * indent + part) for part in parts[1:]]
    return [*rows, *(row.stylize(COCKPIT[style]) if style in COCKPIT else row for row in rest)]
