"""The words for where a run stands. Every surface uses these, and only these."""

from __future__ import annotations

from enum import StrEnum

SCHEMA = 1
"""Version of the run directory. A reader refuses a newer one."""


class RunState(StrEnum):
    """State of a run, as written to `status.json` and `summary.json`."""

    STARTING = "starting"
    RUNNING = "running"
    PAUSED = "paused"
    VALIDATING = "validating"
    FINISHED = "finished"
    STOPPED = "stopped"
    """Ended early on request, resumable."""
    PREEMPTED = "preempted"
    """Ended by a signal, resumable."""
    KILLED = "killed"
    """Ended at once by a person, who says so in its place; resumable from its newest checkpoint."""
    FAILED = "failed"

    @property
    def is_over(self) -> bool:
        """Whether the process is expected to be gone."""
        return self not in (RunState.STARTING, RunState.RUNNING, RunState.PAUSED, RunState.VALIDATING)
