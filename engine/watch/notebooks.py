"""Cells of a notebook end no process: an error in one that trained ends its run, as it would end a program's.

Knows IPython's events where IPython runs, and how a run is closed. An interrupt is how people stop a cell to go on
later: it ends nothing.
"""

from __future__ import annotations

import sys
import weakref
from typing import Any, Protocol


class Run(Protocol):
    """What is recorded in a notebook."""

    @property
    def step(self) -> int:
        """Optimiser steps so far."""
        ...

    def close(self, error: BaseException | None = None) -> None:
        """End it; again is harmless."""
        ...


def end_with_cell(run: Run) -> None:
    """Close `run` with the error that ends a cell which took steps. Nothing where no notebook is.

    Args:
        run: kept by a weak reference.
    """
    shell: Any = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    if shell is None:
        return
    kept, before = weakref.ref(run), run.step

    def begin(_info: Any) -> None:
        nonlocal before
        held = kept()
        before = 0 if held is None else held.step

    def over(result: Any) -> None:
        held, error = kept(), result.error_in_exec
        is_error = error is not None and not isinstance(error, KeyboardInterrupt)
        if held is None or (is_error and held.step > before):
            shell.events.unregister("pre_run_cell", begin)
            shell.events.unregister("post_run_cell", over)
            if held is not None:
                held.close(error)

    shell.events.register("pre_run_cell", begin)
    shell.events.register("post_run_cell", over)
