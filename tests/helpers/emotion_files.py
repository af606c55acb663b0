"""Small dialogues in the formats of the field, for tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

LENGTHS = (3, 2, 4, 1, 5)
WIDTHS = {"text": 4, "audio": 3, "visual": 2}


def flat_arrays(seed: int = 0) -> dict[str, Any]:
    """Five dialogues as flat arrays."""
    rng, num = np.random.default_rng(seed), sum(LENGTHS)
    arrays: dict[str, Any] = {name: rng.normal(size=(num, width)) for name, width in WIDTHS.items()}
    arrays["labels"] = np.arange(num) % 6
    arrays["speakers"] = np.arange(num) % 2
    arrays["offsets"] = np.concatenate([[0], np.cumsum(LENGTHS)])
    return arrays


def write_npz(file: Path, **changes: Any) -> Path:
    """These dialogues; a change of None leaves an array out."""
    arrays = {name: value for name, value in (flat_arrays() | changes).items() if value is not None}
    np.savez(file, **arrays)
    return file


def field_parts() -> dict[str, Any]:
    """The same dialogues as IEMOCAP's pickles have them, by what the parts are called; ids `d0` … `d4`."""
    arrays, parts = flat_arrays(), {}
    bounds = list(zip(arrays["offsets"][:-1].tolist(), arrays["offsets"][1:].tolist(), strict=True))

    def cut(values: Any) -> dict[str, Any]:
        return {f"d{k}": values[begin:end] for k, (begin, end) in enumerate(bounds)}

    parts: dict[str, Any] = {
        "ids": {f"d{k}": [f"d{k}_{row}" for row in range(num)] for k, num in enumerate(LENGTHS)},
        "speakers": cut(["MF"[k] for k in arrays["speakers"]]),
        "labels": cut(arrays["labels"].tolist()),
        **{name: {key: list(rows) for key, rows in cut(arrays[name]).items()} for name in WIDTHS},
        "sentences": {f"d{k}": ["well"] * num for k, num in enumerate(LENGTHS)},
        "train": ["d4", "d0", "d2"],
        "test": ["d1", "d3"],
    }
    return parts
