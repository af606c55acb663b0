"""The keys of the screen in its last line. One widget that draws them all: to style and lay out a widget for each, as
Textual's own footer does, takes longer than everything else in the first picture. Knows no action.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from rich.cells import cell_len
from textual.content import Content
from textual.events import Click, Leave, MouseMove
from textual.screen import Screen
from textual.widget import Widget

from trainctl.tui.spoken import said

GAP = " "
ALWAYS = 2
"""Keys at the end that stay however little room there is."""


@runtime_checkable
class LabelsKeys(Protocol):
    """A screen that offers its keys by the state of what it shows."""

    def key_label(self, action: str, label: str) -> str:
        """The word for an action now; empty: it is not offered."""
        ...


@dataclass(frozen=True)
class _Key:
    key: str
    shown: str
    label: str
    tooltip: str
    enabled: bool

    @property
    def width(self) -> int:
        return cell_len(self.shown) + 1 + cell_len(self.label)

    def draw(self) -> Content:
        if not self.enabled:
            return Content.styled(f"{self.shown} {self.label}", "$chart-label")
        key = Content.styled(self.shown, "bold $footer-key-foreground")
        return Content("").join([key, Content.styled(f" {self.label}", "$footer-description-foreground")])


def fitting(keys: Sequence[_Key], width: int) -> tuple[Sequence[_Key], int, Sequence[_Key]]:
    """First keys, how many are left out, last keys: the way to help and out is always there."""
    if sum(key.width + len(GAP) for key in keys) - len(GAP) <= width or not width:
        return keys, 0, ()
    first, last = keys[:-ALWAYS], keys[-ALWAYS:]
    room = width - sum(key.width + len(GAP) for key in last)
    kept = 0
    for k, key in enumerate(first):
        room -= key.width + len(GAP)
        if room < len(f"+{len(first) - k - 1}{GAP}"):
            break
        kept = k + 1
    return first[:kept], len(first) - kept, last


class KeyBar(Widget):
    """The bindings that want to be shown, in their order; a click is as good as the key."""

    ALLOW_SELECT = False
    DEFAULT_CSS = """
    KeyBar { dock: bottom; height: 1; color: $footer-foreground; background: $footer-background; text-wrap: nowrap; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._keys: tuple[_Key, ...] = ()

    def on_mount(self) -> None:
        """Follow the bindings: they change with the focus."""
        self.screen.bindings_updated_signal.subscribe(self, self._bindings_changed)

    def render(self) -> Content:
        """All of them in a line; of those that do not fit their number."""
        first, left_out, last = fitting(self._keys, self.size.width)
        more = [Content.styled(f"+{left_out}", "$chart-label")] if left_out else []
        return Content(GAP).join([*(key.draw() for key in first), *more, *(key.draw() for key in last)])

    def on_click(self, event: Click) -> None:
        """As if the key had been pressed."""
        key = self._key_at(event.x)
        if key is None:
            return
        event.stop()
        if key.enabled:
            self.app.simulate_key(key.key)
        else:
            self.app.bell()

    def on_mouse_move(self, event: MouseMove) -> None:
        """Say more about the key under the mouse."""
        key = self._key_at(event.x)
        tooltip = key.tooltip if key and key.tooltip else None
        if tooltip != self.tooltip:
            self.tooltip = tooltip

    def on_leave(self, event: Leave) -> None:
        """Say nothing more."""
        del event
        self.tooltip = None

    def label_of(self, action: str, label: str) -> str:
        """The word for an action now; empty: it is not offered. For screens whose keys depend on what they show."""
        return self.screen.key_label(action, label) if isinstance(self.screen, LabelsKeys) else label

    def _key_at(self, x: int) -> _Key | None:
        first, left_out, last = fitting(self._keys, self.size.width)
        start = 0
        for key in first:
            if start <= x < start + key.width:
                return key
            start += key.width + len(GAP)
        start += len(f"+{left_out}{GAP}") if left_out else 0
        for key in last:
            if start <= x < start + key.width:
                return key
            start += key.width + len(GAP)
        return None

    def _bindings_changed(self, screen: Screen[object]) -> None:
        # Keys of a terminal that looks elsewhere stay as they were, but a browser may begin by looking elsewhere.
        if not self.is_attached or screen is not self.screen or (self._keys and not screen.app.app_focus):
            return
        keys = {
            binding.action: _Key(
                binding.key, self.app.get_key_display(binding), said(label), said(tooltip or binding.tooltip), enabled
            )
            for _, binding, enabled, tooltip in reversed(screen.active_bindings.values())
            if binding.show and (label := self.label_of(binding.action, binding.description))
        }
        found = tuple(reversed(keys.values()))
        if found != self._keys:
            self._keys = found
            self.refresh()
