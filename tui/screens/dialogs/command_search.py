"""The palette: Textual's own, made safe against quick fingers. Knows no command."""

from __future__ import annotations

from typing import Any

from textual.worker import Worker

from trainctl.tui.textual_private import PatientPalette


class CommandSearch(PatientPalette):
    """A list of commands that is searched as one types."""

    def run_worker(self, work: Any, *args: Any, **options: Any) -> Worker[Any]:
        """As any screen. The search may find the palette closed before it began, which must not end the cockpit."""
        return super().run_worker(work, *args, **(options | {"exit_on_error": False}))
