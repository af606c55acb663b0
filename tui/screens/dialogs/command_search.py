"""The palette: Textual's own, made safe against quick fingers. Knows no command."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from textual.command import CommandPalette
from textual.worker import Worker


class CommandSearch(CommandPalette):
    """A list of commands that is searched as one types."""

    def run_worker(self, work: Any, *args: Any, **options: Any) -> Worker[Any]:
        """As any screen. The search may find the palette closed before it began, which must not end the cockpit."""
        return super().run_worker(work, *args, **(options | {"exit_on_error": False}))

    def _action_command_list(self, action: str) -> None:
        with suppress(LookupError):  # a page up or down in a list that has just been filled and is not laid out yet
            super()._action_command_list(action)
