"""Reads a run of a list for its preview, in a thread: what `RunFeed` reads of a run that is opened, and what is special
about its configuration. Knows no widget.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from trainctl.engine.runs.layout import RunPaths
from trainctl.tui.compare.facts import flat_values, read_config
from trainctl.tui.listing.preview import Change, Preview
from trainctl.tui.run.feed import RunFeed
from trainctl.tui.run.view import RunView

MOST_KEPT = 8
"""Runs whose view is kept, those that were looked at last."""
NOT_COMPARED = ("task", "preset", "scale")
"""Said elsewhere, or the same for all that could be compared."""


class PreviewReader:
    """Reads runs for their previews; in threads, one after another.

    Args:
        present: the run that is looked at; none: what was set for a run is shown instead of a difference.
    """

    def __init__(self, present: RunPaths | None) -> None:
        self._present = present
        self._turn = threading.Lock()
        self._feeds: OrderedDict[str, tuple[RunFeed, Preview]] = OrderedDict()
        self._documents: dict[Path, tuple[object, Mapping[str, Any] | None]] = {}

    def preview(self, paths: RunPaths) -> Preview | None:
        """What was read of a run before; None: nothing."""
        found = self._feeds.get(str(paths.root))
        return found[1] if found else None

    def read(
        self,
        paths: RunPaths,
        is_wanted: Callable[[], bool],
        deliver: Callable[[Preview, Callable[[], None]], object],
    ) -> None:
        """Read what is new of a run, update by update, as long as it is wanted.

        Args:
            paths: the run.
            is_wanted: whether to go on.
            deliver: is handed the preview and what brings it up to date, to be called in the thread of the screen; the
                next update is read when it returns.

        Raises:
            UserError: a newer version wrote the run.
        """
        with self._turn:
            feed, preview = self._kept(paths)
            while is_wanted():
                bring = partial(preview.take, feed.poll(), self.changes(paths))
                if not preview.is_shown:  # nobody draws it yet, and a long run takes a moment
                    bring()
                    bring = _nothing
                deliver(preview, bring)
                if not feed.behind:
                    return

    def changes(self, paths: RunPaths) -> tuple[Change, ...] | None:
        """In which values the run differs from the one that is looked at; without one, which were set for it alone."""
        document = self._document(paths.config)
        if document is None:
            return None
        values = flat_values(document)
        if self._present is None or self._present.root == paths.root:
            return tuple((name, None, values.get(name)) for name in _set_for_it(document))
        other = self._document(self._present.config)
        if other is None:
            return None
        before = flat_values(other)
        return tuple(
            (name, before.get(name), values.get(name))
            for name in dict.fromkeys((*before, *values))
            if before.get(name) != values.get(name) and name not in NOT_COMPARED
        )

    def _kept(self, paths: RunPaths) -> tuple[RunFeed, Preview]:
        key = str(paths.root)
        if key not in self._feeds:
            self._feeds[key] = RunFeed(paths), Preview(RunView(paths))
        self._feeds.move_to_end(key)
        while len(self._feeds) > MOST_KEPT:
            self._feeds.popitem(last=False)
        return self._feeds[key]

    def _document(self, path: Path) -> Mapping[str, Any] | None:
        try:
            stamp: object = path.stat().st_mtime_ns
        except OSError:
            return None
        if path not in self._documents or self._documents[path][0] != stamp:
            self._documents[path] = stamp, read_config(path)
        return self._documents[path][1]


def _nothing() -> None:
    """It is up to date."""


def _set_for_it(document: Mapping[str, Any]) -> list[str]:
    """Names of the values that come neither from a preset nor from a default."""
    provenance = document.get("provenance")
    sources = provenance.get("sources") if isinstance(provenance, dict) else None
    if not isinstance(sources, dict):
        return []
    ordinary = ("default", "preset", "scale")
    return [str(name) for name, source in sources.items() if not str(source).startswith(ordinary)]
