"""A tracker for Hugging Face Accelerate: configuration, what `accelerator.log` is given, validations by their names.

Knows the tracker's contract and `trainctl.watch`, no records. Commands but stop and checkpoint need nothing of it; for
these two `tracker.tracker` is the watch, with `should_stop` and `on_checkpoint`.
"""

# pyright: reportMissingImports=false, reportUntypedBaseClass=false
from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from accelerate.tracking import GeneralTracker

from trainctl.engine.watch.watch import Watch, watch

OF_VALIDATION = re.compile(r"(^|[^a-z])(e?val|valid|validation|test|dev)([^a-z]|$)")
"""Names of figures that are of a validation."""


class TrainctlTracker(GeneralTracker):
    """Records what an `Accelerator` trains: `Accelerator(log_with=TrainctlTracker())`.

    Args:
        optimizers: as `trainctl.watch` takes them; none: the first that steps.
        options: the others.
    """

    name = "trainctl"
    requires_logging_directory = False

    def __init__(self, *optimizers: Any, **options: Any) -> None:
        super().__init__()
        self._watch = watch(*optimizers, **options)

    @property
    def tracker(self) -> Watch:
        """The watch itself: `should_stop`, `on_checkpoint`, `on_validate`, `epoch`."""
        return self._watch

    def store_init_configuration(self, values: Mapping[str, Any]) -> None:
        """What `init_trackers` was given as configuration."""
        self._watch.configure(values)

    def log(self, values: Mapping[str, Any], step: int | None = None, **kwargs: Any) -> None:
        """Figures of a validation where their names say so; others are of the step under way."""
        of_validation = {name: value for name, value in values.items() if OF_VALIDATION.search(name.lower())}
        if of_validation:
            self._watch.validation(of_validation)
        numbers = {name: value for name, value in values.items() if name not in of_validation}
        self._watch.log({name: value for name, value in numbers.items() if not isinstance(value, (str, type(None)))})

    def finish(self) -> None:
        """The run ends."""
        self._watch.close()
