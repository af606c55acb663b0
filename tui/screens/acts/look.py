"""What the keys do to the view: value axes, terms, panels, filter. Changes no run. The rest is in `looking`."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import Binding, BindingType

from trainctl.tui.charts.chart import Chart
from trainctl.tui.run.scene import following
from trainctl.tui.screens.base import CockpitBase
from trainctl.tui.screens.looking import LookingScreen
from trainctl.tui.widgets.log import compiled_filter
from trainctl.tui.widgets.scalars import ScalarPanel


class LookActions(CockpitBase, LookingScreen):
    """How the run is looked at; all charts share one scene."""

    BINDINGS: ClassVar[list[BindingType]] = [
        *(Binding(str(number), f"panel({number})", show=False) for number in range(1, 10)),
        Binding("escape", "all_panels", show=False),
    ]

    # --- axes ---------------------------------------------------------------------------------------------

    def action_log_axis(self) -> None:
        """Switch the axis of the focused chart, else of the loss."""
        chart = self.chosen_chart()
        self.memory.log_axes[str(chart.id)] = chart.toggle_log()

    def action_loss_mode(self) -> None:
        """Weighted, raw, share, weight, round and round."""
        self.scene.loss_mode = self.memory.loss_mode = following(self.scene.loss_mode)
        self.redraw()

    def window_changed(self) -> None:
        """The feeds read what the window needs."""
        self.session.look_at(self.scene.window)
        self.overlays.look_at(self.scene.window)
        self.redraw()

    # --- panels -------------------------------------------------------------------------------------------

    def chosen_chart(self) -> Chart:
        """The focused chart, else the loss."""
        loss = self.panels["loss"]
        assert isinstance(loss, Chart), "the loss panel is a chart"
        return self.focused if isinstance(self.focused, Chart) else loss

    def action_panel(self, number: int) -> None:
        """Choose a panel by its number."""
        shown = [panel for panel in self.panels.values() if panel.display]
        if number <= len(shown):
            shown[number - 1].focus()

    def action_maximize(self) -> None:
        """Let the focused panel have all the room, or give it back."""
        focused = self.focused.id if self.focused in self.panels.values() and self.focused else None
        self.zoom_to(None if self.zoomed else focused or "loss")

    def action_all_panels(self) -> None:
        """Give the room back that a panel has to itself."""
        if self.zoomed:
            self.zoom_to(None)

    def action_hide(self) -> None:
        """A list of the panels: the chosen one is hidden, or shown again."""
        from trainctl.tui.screens.dialogs.choice import Choice, ChoiceScreen

        marked = self.focused.id if self.focused in self.panels.values() and self.focused else None
        choices = [
            Choice(entry.id, f"{' ' if entry.id in self.memory.hidden else '✓'} {entry.heading}")
            for entry in self.own_panels
        ]
        self.app.push_screen(ChoiceScreen("panels: enter shows or hides", choices, marked=marked), self._toggle_panel)

    def _toggle_panel(self, panel: str | None) -> None:
        if panel is None:
            return
        self.memory.hidden ^= {panel}
        self.arrange_panels()
        if not any(panel.display for panel in self.panels.values()):
            self.memory.hidden ^= {panel}
            self.arrange_panels()
            self.say("the last panel stays")
        self.redraw()

    def action_filter(self) -> None:
        """Ask for a pattern; only matching lines of the log stay, or matching scalars where those are chosen."""
        from trainctl.tui.screens.dialogs.prompt import PromptScreen

        is_of_scalars = isinstance(self.focused, ScalarPanel)
        panel = self.focused if isinstance(self.focused, ScalarPanel) else self.log_panel

        def apply(text: str | None) -> None:
            if text is not None:
                panel.set_filter(text)

        title = "filter the scalars" if is_of_scalars else "filter the log"
        hint = "words or a regular expression; empty: every line; enter filters, esc closes"
        self.app.push_screen(PromptScreen(title, hint, compiled_filter, panel.filter), apply)
