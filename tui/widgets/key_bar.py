"""The keys of the screen in its last line. One widget that draws them all: to style and lay out a widget for each, as
Textual's own footer does, takes longer than everything else in the first picture. Knows no action.
"""

from __future__ import annotations

from dataclasses import dataclass

from rich.cells import cell_len
from textual.content import Content
from textual.events import Click, Leave, MouseMove
from textual.screen import Screen
from textual.widget import Widget

GAP = " "


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
        dim = "" if self.enabled else " dim"
        key = Content.styled(self.shown, f"bold $footer-key-foreground{dim}")
        return Content("").join([key, Content.styled(f" {self.label}", f"$footer-description-foreground{dim}")])


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
        """All of them in a line; what does not fit is cut off."""
        return Content(GAP).join([key.draw() for key in self._keys])

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

    def _key_at(self, x: int) -> _Key | None:
        start = 0
        for key in self._keys:
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
                binding.key, self.app.get_key_display(binding), binding.description, tooltip or binding.tooltip, enabled
            )
            for _, binding, enabled, tooltip in reversed(screen.active_bindings.values())
            if binding.show
        }
        found = tuple(reversed(keys.values()))
        if found != self._keys:
            self._keys = found
            self.refresh()
