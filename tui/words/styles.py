"""Colours of what is meant, in one place: in the cockpit, and in a plain terminal. Knows no widget and no console.

Meanings are those of the report's lines and of `words.verdict.Severity`, which is text.
"""

from __future__ import annotations

SEVERITIES = {"ok": "$success", "note": "$secondary", "warning": "$warning", "error": "$error"}
"""Theme colour of each severity, everywhere in the cockpit."""
SHADES = {"ok": "green", "note": "cyan", "warning": "yellow", "error": "red"}
"""The same in a plain terminal, as Rich has them."""
COCKPIT = {
    "ok": SEVERITIES["ok"],
    "info": SEVERITIES["note"],
    "warning": SEVERITIES["warning"],
    "error": f"bold {SEVERITIES['error']}",
    "bar": "$series-0",
    "dim": "$chart-label",
    "bold": "bold",
}
"""Textual styles of the meanings that lines carry."""
LOG = COCKPIT | {"note": "$foreground"}
"""Of a line of the log: what is ordinary has the ordinary colour."""
TERMINAL = {
    "ok": SHADES["ok"],
    "info": SHADES["note"],
    "warning": SHADES["warning"],
    "error": f"bold {SHADES['error']}",
    "bar": "cyan",
    "dim": "dim",
    "bold": "bold",
}
"""The same meanings as Rich has them."""
BLOCK = {"ok": "green", "note": "", "warning": "warning", "error": "error"}
"""Severities as the live block has them, see `cli.live.region`."""
