"""Playing the run again from its records. What is shown then is in `replay.py` beside this."""

from __future__ import annotations

from trainctl.tui.messages import ReplayRequested
from trainctl.tui.screens.base import CockpitBase


class ReplayActions(CockpitBase):
    """The way into the replay."""

    def action_replay(self) -> None:
        """Play what was recorded up to now."""
        self.post_message(ReplayRequested())
