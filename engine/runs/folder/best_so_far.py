"""The best validation of a run that has not ended, from the end of its events."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from typing import Any, cast

from trainctl.engine.errors import UserError
from trainctl.engine.files import parse_json
from trainctl.engine.runs.atomic import open_own
from trainctl.engine.runs.events import EventKind
from trainctl.engine.runs.layout import RunPaths
from trainctl.engine.runs.summary import Best

MAX_BYTES = 256 << 10
"""Of the events that are looked at: some thousand."""
_MARK = f'"{EventKind.VALIDATION}"'.encode()


def best_so_far(paths: RunPaths) -> Best | None:
    """The newest validation that was the best; None where none near the end of the events was. Never raises."""
    try:
        with open_own(paths.events) as file:
            size = os.fstat(file.fileno()).st_size
            file.seek(max(size - MAX_BYTES, 0))
            lines = file.read(MAX_BYTES).splitlines()
    except (OSError, UserError):
        return None
    found = (_best(line) for line in reversed(lines) if _MARK in line)
    return next((best for best in found if best is not None), None)


def _best(line: bytes) -> Best | None:
    try:
        event: Any = parse_json(line)
    except ValueError:
        return None
    data = _mapping(_mapping(event).get("data"))
    metric = data.get("monitor")
    if not data.get("best") or not isinstance(metric, str):
        return None
    measured = [_mapping(data.get(weights)).get(metric) for weights in ("raw", "ema")]
    values = [float(value) for value in measured if isinstance(value, (int, float)) and math.isfinite(value)]
    epoch = data.get("epoch")
    if not values:
        return None
    choose = min if data.get("monitor_mode") == "min" else max
    return Best(metric, choose(values), epoch if isinstance(epoch, int) else 0)


def _mapping(value: Any) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", value) if isinstance(value, dict) else {}
