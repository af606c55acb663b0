"""Lines of several styles that have to fit: what is cut off says how much. Knows nothing of what they say."""

from __future__ import annotations

from textual.content import Content


def cut_line(line: Content, width: int) -> Content:
    """The line in at most `width` columns; `+7` behind it: so many characters are left out. 0: room is not known."""
    if not width or line.cell_length <= width:
        return line
    kept = min(len(line), width)
    while kept > 0:
        kept -= 1
        shown = line[:kept].rstrip() + Content.styled(f"+{len(line) - kept}", "$chart-label")
        if shown.cell_length <= width:
            return shown
    return line.truncate(width)
