"""Python imports this at its start where `trainctl run -- python ...` has put its folder first: switches watching on.

Not imported by trainctl. Does nothing but wait for torch to be imported, then hands over to `engine/watch/starting.py`;
a `sitecustomize` of the user's own is imported as if this were not here.
"""

from __future__ import annotations

import contextlib
import importlib.abc
import importlib.util
import os
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any


class AfterTorch(importlib.abc.MetaPathFinder):
    """Calls `start` when torch has been imported."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Torch's own, with its end heard; of any other module nothing."""
        if fullname != "torch":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(fullname)
        loader: Any = None if spec is None else spec.loader
        if loader is None:
            return spec
        execute = loader.exec_module

        def then_start(module: ModuleType) -> None:
            execute(module)
            start()

        loader.exec_module = then_start
        return spec


def start() -> None:
    """Listen from now on. Whatever goes wrong is said and costs the record, never the program."""
    try:
        from trainctl.engine.watch.starting import begin_at_first_step
    except Exception as err:
        sys.stderr.write(f"trainctl: not recorded: {sys.executable} cannot import trainctl ({err}); install it there\n")
        return
    begin_at_first_step(dict(os.environ))


def import_the_next() -> None:
    """The `sitecustomize` that stands behind this one on the path."""
    here = os.path.dirname(os.path.abspath(__file__))  # noqa: PTH100, PTH120 (pathlib costs every program its import)
    sys.path[:] = [entry for entry in sys.path if os.path.abspath(entry) != here]  # noqa: PTH100
    mine = sys.modules.pop("sitecustomize", None)
    with contextlib.suppress(ImportError):
        import sitecustomize  # noqa: F401  # pyright: ignore[reportUnusedImport]
    if mine is not None:
        sys.modules.setdefault("sitecustomize", mine)


if os.environ.get("TRAINCTL_WATCH"):
    sys.meta_path.insert(0, AfterTorch())
import_the_next()
