"""Other runs laid over the one that is looked at, each followed in a thread of its own. Knows no widget.

The threads read and hand updates on; whoever owns the screen gives them back to `apply`, so that the views change
in one thread only. One update of a run is under way at a time.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from trainctl.engine.errors import UserError
from trainctl.engine.runs.layout import RunPaths
from trainctl.tui.run.feed import Follower, RunFeed
from trainctl.tui.run.names import short_names
from trainctl.tui.run.scene import Overlay
from trainctl.tui.run.view import RunUpdate, RunView

MAX_OVERLAYS = 6
INKS = (1, 2, 5, 6, 7, 4)
"""Colours in the order in which they are given; 0 belongs to the run itself."""
PERIOD_S = 1.0
OVER_PERIOD_S = 10.0
"""How often a run that is over is looked at: it may have been resumed."""
DRAW_PERIOD_S = 0.5
"""How often a long run is drawn while it is still being read."""

Deliver = Callable[[RunPaths, RunUpdate], object]
Fail = Callable[[RunPaths, str], object]


@dataclass
class _Followed:
    paths: RunPaths
    view: RunView
    ink: int
    feed: RunFeed
    follower: Follower
    drawn_at: float = 0.0


class Overlays:
    """The runs that are laid over, at most `MAX_OVERLAYS`, in the order in which they were added.

    Args:
        deliver: called in a thread with a run and what is new of it; hand both to `apply`.
        fail: called in a thread with a run that cannot be read, and why; nothing follows.
    """

    def __init__(self, deliver: Deliver, fail: Fail) -> None:
        self._deliver, self._fail = deliver, fail
        self._runs: dict[str, _Followed] = {}
        self._window: tuple[float, float] | None = None

    def __contains__(self, paths: RunPaths) -> bool:
        return _key(paths) in self._runs

    def __len__(self) -> int:
        return len(self._runs)

    @property
    def runs(self) -> tuple[RunPaths, ...]:
        """Which runs."""
        return tuple(run.paths for run in self._runs.values())

    def add(self, paths: RunPaths) -> None:
        """Lay a run over; nothing where it is already.

        Raises:
            UserError: there are as many as can be told apart.
        """
        if paths in self:
            return
        if len(self) >= MAX_OVERLAYS:
            raise UserError(f"{MAX_OVERLAYS} runs are laid over already", "take one away first")
        taken = {run.ink for run in self._runs.values()}
        ink = next(ink for ink in INKS if ink not in taken)
        self._runs[_key(paths)] = run = self._followed(paths, ink)
        if self._window is not None:
            run.feed.request_detail(*self._window)
        threading.Thread(target=run.follower.run, name=f"overlay {paths.root.name}", daemon=True).start()

    def remove(self, paths: RunPaths) -> None:
        """Take a run away; nothing where it is not there."""
        run = self._runs.pop(_key(paths), None)
        if run is not None:
            run.follower.stop()

    def toggle(self, paths: RunPaths) -> bool:
        """Lay it over, or take it away; whether it is there now.

        Raises:
            UserError: as `add`.
        """
        if paths in self:
            self.remove(paths)
            return False
        self.add(paths)
        return True

    def apply(self, paths: RunPaths, update: RunUpdate) -> bool:
        """Take in what a thread delivered; whether it is time to draw."""
        run = self._runs.get(_key(paths))
        if run is None:
            return False
        run.view.apply(update)
        now = time.monotonic()
        is_due = not run.feed.behind or now - run.drawn_at > DRAW_PERIOD_S
        run.drawn_at = now if is_due else run.drawn_at
        run.follower.applied()
        return is_due

    def shown(self, present: RunPaths) -> tuple[Overlay, ...]:
        """What a scene of the run `present` draws behind it; that run itself is never laid over itself."""
        others = [run for key, run in self._runs.items() if key != _key(present)]
        names = short_names([present.root.name, *(run.paths.root.name for run in others)])[1:]
        return tuple(Overlay(name, run.view, run.ink) for name, run in zip(names, others, strict=True))

    def look_at(self, window: tuple[float, float] | None) -> None:
        """The user looks at these steps, [start, stop), or at everything: exact samples where blocks are wide."""
        self._window = window
        for run in self._runs.values():
            if window is None or run.view.stride <= 1:
                run.feed.request_detail(None)
            else:
                run.feed.request_detail(*window)

    def stop(self) -> None:
        """End the threads soon."""
        for run in self._runs.values():
            run.follower.stop()

    def _followed(self, paths: RunPaths, ink: int) -> _Followed:
        feed = RunFeed(paths)
        feed.period_s = PERIOD_S

        def deliver(update: RunUpdate) -> None:
            feed.period_s = PERIOD_S if update.summary is None else OVER_PERIOD_S
            self._deliver(paths, update)

        follower = Follower(feed, deliver, lambda reason: self._fail(paths, reason))
        return _Followed(paths, RunView(paths), ink, feed, follower)


def _key(paths: RunPaths) -> str:
    return str(paths.root.absolute())
