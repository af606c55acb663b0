"""What a cell of a chart is drawn in, as numbers; 0 and more are the series. Knows no colours: those are a theme's."""

from __future__ import annotations

NO_INK = -1
"""Nothing is drawn here."""
BAD_INK = -2
"""Mark where a sample was NaN or infinite."""
SPAN_INK = -3
"""Shaded part of the x axis, such as the warmup."""
RULE_INK = -4
"""Horizontal line, such as the clip norm."""
MARK_INK = -5
"""Vertical line, such as a checkpoint."""
HERE_INK = -6
"""Vertical line at the present step."""
LABEL_INK = -7
"""Numbers on the axes."""
EMPTY_INK = -8
"""The words where there is nothing to draw."""
BAND_INK = -9
"""Shaded range of values, such as the healthy gradient norm."""
CURSOR_INK = -10
"""Vertical line where the user points."""
DIM_INK = 200
"""Added to the ink of a trace that is faint: the same colour, weaker."""
