"""What distinguishes one drawn eye from another: a table of ranges, drawn uniformly and independently.

Knows nothing of pixels; `drawing` turns these numbers into images. Lengths are in units of the eye's
half-width (corner to corner is 2), so that an aperture of .66 is the 10 mm by 30 mm of an adult's open eye.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

OPEN_SHARE = 0.532
"""Share of open eyes (OCEC training document, §1.2)."""

HARD_SHARE = 0.15
"""Share of each class drawn near the border: squints among the open, slits among the closed."""

RANGES: dict[str, tuple[float, float]] = {
    # pose: where the eye lies in the image (image half-width = 1)
    "shift_x": (-0.32, 0.32),
    "shift_y": (-0.2, 0.2),
    "half_width": (0.5, 0.82),
    "angle": (-0.25, 0.25),  # radians
    "side": (0.0, 1.0),  # below .5: mirrored
    # shape
    "aperture": (0.46, 0.74),
    "sag": (0.08, 0.24),  # how far the lower lid hangs below the corners
    "skew": (-0.35, 0.35),
    "iris_radius": (0.34, 0.46),
    "pupil": (0.3, 0.62),  # share of the iris radius
    "gaze_x": (-0.42, 0.42),
    "gaze_y": (-0.12, 0.12),
    "crease_gap": (0.1, 0.3),
    "crease": (0.0, 0.6),
    "brow_gap": (0.5, 0.95),
    "brow_width": (0.07, 0.17),
    "brow": (0.2, 0.95),
    "lash_width": (0.03, 0.1),
    "lash": (0.4, 0.95),
    "lash_length": (0.03, 0.26),
    "lash_frequency": (26.0, 55.0),
    "lash_slant": (-16.0, 16.0),
    # colour
    "skin": (0.1, 1.0),
    "blush": (0.0, 1.0),
    "iris": (0.0, 1.0),
    "iris_hue": (0.0, 1.0),
    "sclera": (0.68, 1.0),
    "hair": (0.0, 1.0),
    "makeup": (-1.4, 0.8),  # below 0: none
    "glint": (-0.3, 1.0),
    "glint_x": (-0.5, 0.5),
    "glint_y": (-0.6, 0.2),
    # glasses
    "glasses": (0.0, 1.0),  # below .25: worn
    "frame_x": (-0.2, 0.2),
    "frame_y": (-0.2, 0.25),
    "frame_width": (0.95, 1.5),
    "frame_height": (0.45, 0.85),
    "frame_line": (0.04, 0.14),
    "frame_tone": (0.0, 0.8),
    "glare": (-1.0, 0.5),  # below 0: none
    "glare_x": (-1.0, 1.0),
    "tint": (-1.2, 0.25),  # below 0: clear lenses
    # light and camera
    "light_angle": (0.0, 2 * math.pi),
    "light": (0.0, 0.55),
    "shadow": (-1.5, 0.5),  # below 0: none
    "shadow_angle": (0.0, 2 * math.pi),
    "shadow_edge": (-0.5, 0.5),
    "gain": (0.7, 1.25),
    "offset": (0.0, 0.12),
    "balance_red": (0.88, 1.12),
    "balance_blue": (0.85, 1.15),
    "grey": (0.0, 1.0),  # below .5: no colour
    "texture": (0.02, 0.18),
    "blur": (-0.5, 0.9),  # clamped to 0 … 1
    "noise": (0.0, 0.02),
}
"""Name of each parameter and the range it is drawn from."""


def draw_labels(count: int, generator: torch.Generator) -> Tensor:
    """Labels in random order, int64 (N,), of which round(.532 N) are 1 (open); at least one of each class."""
    num_open = min(max(round(count * OPEN_SHARE), 1), max(count - 1, 1))
    labels = torch.zeros(count, dtype=torch.int64)
    labels[:num_open] = 1
    return labels[torch.randperm(count, generator=generator)]


def draw_openness(labels: Tensor, generator: torch.Generator) -> Tensor:
    """How far each eye is open, 0 … 1, shape (N,). Open eyes have at least .34, closed ones at most .06."""
    position = torch.rand(len(labels), generator=generator)
    hard = torch.rand(len(labels), generator=generator) < HARD_SHARE
    opened = torch.where(hard, 0.34 + 0.16 * position, 0.5 + 0.5 * position)
    closed = torch.where(hard, 0.06 * position, torch.zeros_like(position))
    return torch.where(labels == 1, opened, closed)


def draw_parameters(labels: Tensor, generator: torch.Generator) -> dict[str, Tensor]:
    """Every parameter of every eye: tensors of shape (N,) under the names of `RANGES`, and `openness`."""
    uniform = torch.rand(len(RANGES), len(labels), generator=generator)
    parameters = {name: low + (high - low) * uniform[row] for row, (name, (low, high)) in enumerate(RANGES.items())}
    parameters["openness"] = draw_openness(labels, generator)
    return parameters
