"""Colours: four themes of our own, and the names every stylesheet of the cockpit may use. Knows no widget.

Series colours follow Okabe and Ito (2008), which people with a colour vision deficiency can tell apart; they
are lightened for a dark and darkened for a light background.
"""

from __future__ import annotations

from dataclasses import replace

from textual.theme import Theme

_DARK = {
    "series-0": "#56b4e9",
    "series-1": "#e69f00",
    "series-2": "#2fc79a",
    "series-3": "#e58fc0",
    "series-4": "#f0e442",
    "series-5": "#ff7f50",
    "series-6": "#a99cff",
    "series-7": "#7fd6d6",
    "chart-border": "#3b4453",
    "chart-label": "#8a94a6",
    "chart-faint": "#566073",
    "chart-span": "#2b3340",
    "chart-rule": "#c8894a",
    "chart-mark": "#7f90ad",
    "chart-here": "#d7dde8",
    "chart-bad": "#ff5f5f",
    "input-selection-background": "#2b5470",
}
_LIGHT = {
    "series-0": "#0067a3",
    "series-1": "#9c4f00",
    "series-2": "#00735a",
    "series-3": "#a03a78",
    "series-4": "#756400",
    "series-5": "#b83a00",
    "series-6": "#5444bd",
    "series-7": "#006a75",
    "chart-border": "#b9c1cd",
    "chart-label": "#5a6474",
    "chart-faint": "#9aa4b3",
    "chart-span": "#d5dbe4",
    "chart-rule": "#8f5010",
    "chart-mark": "#566176",
    "chart-here": "#1c2430",
    "chart-bad": "#c01818",
}

DARK = Theme(
    name="trainctl-dark",
    primary="#56b4e9",
    secondary="#8a94a6",
    accent="#56b4e9",
    foreground="#d7dde8",
    background="#10141b",
    surface="#171c25",
    panel="#1f2631",
    success="#2fc79a",
    warning="#e6b23c",
    error="#ff5f5f",
    dark=True,
    variables=_DARK,
)
LIGHT = Theme(
    name="trainctl-light",
    primary="#0067a3",
    secondary="#5a6474",
    accent="#0067a3",
    foreground="#1c2430",
    background="#fbfcfd",
    surface="#f1f4f8",
    panel="#e5eaf1",
    success="#00735a",
    warning="#7d5600",
    error="#c01818",
    dark=False,
    variables=_LIGHT,
)

_COLOUR_BLIND = _DARK | {"series-2": "#f0e442", "series-4": "#1aab80", "chart-bad": "#ff8c42"}
COLOUR_BLIND = replace(
    DARK,
    name="trainctl-colour-blind",
    success="#56b4e9",
    warning="#f0e442",
    error="#ff8c42",
    variables=_COLOUR_BLIND,
)
"""Blue, yellow and orange in place of green, amber and red, which many people cannot tell apart."""

_GREY = {
    **{f"series-{k}": grey for k, grey in enumerate(("#ffffff", "#c8c8c8", "#a8a8a8", "#8c8c8c") * 2)},
    "chart-border": "#606060",
    "chart-label": "#b0b0b0",
    "chart-faint": "#707070",
    "chart-span": "#404040",
    "chart-rule": "#b0b0b0",
    "chart-mark": "#8c8c8c",
    "chart-here": "#ffffff",
    "chart-bad": "#ffffff",
    "input-selection-background": "#505050",
}
NO_COLOUR = Theme(
    name="trainctl-no-colour",
    primary="#c8c8c8",
    secondary="#a0a0a0",
    accent="#ffffff",
    foreground="#e4e4e4",
    background="#000000",
    surface="#121212",
    panel="#1c1c1c",
    success="#e4e4e4",
    warning="#e4e4e4",
    error="#ffffff",
    dark=True,
    variables=_GREY,
)
"""Shades of grey: what a colour says elsewhere is said by a symbol, a word or a letter."""

THEMES = (
    (DARK, "Dark"),
    (LIGHT, "Light"),
    (COLOUR_BLIND, "Colour-blind safe: blue, yellow, orange"),
    (NO_COLOUR, "No colour"),
)
"""Every theme of ours and its name for people."""


def variables(dark: bool) -> dict[str, str]:
    """Our colours for a theme that does not define them."""
    return dict(_DARK if dark else _LIGHT)
