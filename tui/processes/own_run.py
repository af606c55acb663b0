"""Commands on what a run was started with: its own configuration and data, whoever started it. No widget, no torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trainctl.engine.errors import UserError
from trainctl.engine.runs.layout import RunPaths


def own_words(verb: str, run: RunPaths, meta: Mapping[str, Any] | None) -> list[str]:
    """The command line of a verb on the run's configuration and data, as JSON with progress.

    Args:
        verb: a command with the options of `trainctl run`, `--json` and `--progress`.
        run: its `config.yaml` is the configuration.
        meta: content of its `meta.json`, which names the data.

    Raises:
        UserError: the run has no configuration yet.
    """
    if not run.config.exists() or meta is None:
        raise UserError("the run has not begun: its configuration is not known yet", "wait until it runs")
    # A whole configuration: nothing is laid over it, so its scale is said only to leave nothing to be found out.
    words = [verb, "--preset", str(run.config.resolve()), "--scale", str(meta.get("scale") or "full")]
    data = meta.get("data")
    return [*words, *(["--data", str(data)] if data else []), "--json", "--progress"]
