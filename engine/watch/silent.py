"""What stands in place of a watch where another rank writes: has all that a watch has, and does nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Self


class SilentWatch:
    """See `watch.Watch` for what each would do."""

    path: Path | None = None
    step = 0
    should_stop = False

    def log(self, values: Mapping[str, Any] | None = None, /, **more: Any) -> None:
        """Nothing."""

    def validation(
        self, metrics: Mapping[str, Any], epoch: int | None = None, histograms: Mapping[str, Any] | None = None
    ) -> None:
        """Nothing."""

    def epoch(self, number: int) -> None:
        """Nothing."""

    def on_checkpoint(self, save: Callable[[], object]) -> None:
        """Nothing."""

    def on_validate(self, validate: Callable[[], object]) -> None:
        """Nothing."""

    def configure(self, config: Mapping[str, Any]) -> None:
        """Nothing."""

    def flush(self) -> None:
        """Nothing."""

    def close(self, error: BaseException | None = None) -> None:
        """Nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        pass
