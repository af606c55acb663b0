"""The 25 distortions of KADID-10k: their names, the parameter of each level and the score people gave. Pure data.

Parameters and mean opinion scores are facts about KADID-10k (Lin, Hosu and Saupe 2019). Knows no image and no torch.
"""

from __future__ import annotations

from dataclasses import dataclass

LEVELS = 5
"""Levels of each distortion, 1 … 5."""

WORST, BEST = 1.0, 5.0
"""Ends of the scale of opinion scores."""


@dataclass(frozen=True)
class Distortion:
    """One row of the table."""

    number: int
    """1 … 25, as in the file names of KADID-10k."""
    name: str
    strengths: tuple[float, float, float, float, float]
    """Parameter at levels 1 … 5; its meaning is the distortion's own."""
    opinions: tuple[float, float, float, float, float]
    """Mean opinion score at levels 1 … 5, from 1 (bad) to 5 (excellent)."""

    def score(self, level: int) -> float:
        """Mean opinion at `level` 1 … 5, rescaled to 0 … 1."""
        return (self.opinions[level - 1] - WORST) / (BEST - WORST)


DISTORTIONS = (
    Distortion(1, "gaussian_blur", (0.1, 0.5, 1, 2, 5), (4.61, 4.38, 2.91, 1.87, 1.30)),
    Distortion(2, "lens_blur", (1, 2, 4, 6, 8), (3.86, 2.65, 1.76, 1.44, 1.30)),
    Distortion(3, "motion_blur", (1, 2, 4, 6, 10), (4.60, 4.10, 2.85, 2.18, 1.67)),
    Distortion(4, "colour_diffusion", (1, 3, 6, 8, 12), (4.50, 2.60, 1.76, 1.61, 1.39)),
    Distortion(5, "colour_shift", (1, 3, 6, 8, 12), (4.23, 2.55, 1.92, 1.85, 1.86)),
    Distortion(6, "colour_quantisation", (64, 48, 32, 16, 8), (4.11, 3.97, 3.72, 3.20, 2.42)),
    Distortion(7, "saturation_hsv", (0.4, 0.2, 0.1, 0, -0.4), (2.75, 2.33, 2.26, 2.24, 2.03)),
    Distortion(8, "saturation_lab", (1, 2, 3, 6, 9), (4.58, 3.33, 2.65, 1.82, 1.52)),
    Distortion(9, "jpeg2000", (16, 32, 45, 120, 400), (4.55, 4.20, 3.87, 2.44, 1.39)),
    Distortion(10, "jpeg", (43, 36, 24, 7, 4), (4.34, 4.25, 3.87, 1.95, 1.35)),
    Distortion(11, "white_noise", (0.001, 0.002, 0.003, 0.005, 0.01), (3.89, 3.39, 3.05, 2.71, 2.30)),
    Distortion(12, "white_noise_ycbcr", (0.0001, 0.0005, 0.001, 0.002, 0.003), (4.47, 3.68, 3.17, 2.69, 2.38)),
    Distortion(13, "impulse_noise", (0.001, 0.005, 0.01, 0.02, 0.03), (3.58, 2.93, 2.61, 2.31, 2.13)),
    Distortion(14, "multiplicative_noise", (0.001, 0.005, 0.01, 0.02, 0.05), (4.40, 3.58, 3.08, 2.64, 2.12)),
    Distortion(15, "denoise", (0.01, 0.03, 0.05, 0.1, 0.15), (3.67, 2.73, 2.20, 1.65, 1.47)),
    Distortion(16, "brighten", (0.1, 0.2, 0.4, 0.7, 1.1), (4.51, 4.29, 3.63, 2.70, 1.81)),
    Distortion(17, "darken", (0.05, 0.1, 0.2, 0.4, 0.8), (4.60, 4.53, 4.23, 3.53, 2.22)),
    Distortion(18, "mean_shift", (0.15, 0.08, 0, -0.08, -0.15), (4.22, 4.52, 4.60, 4.37, 3.90)),
    Distortion(19, "jitter", (0.05, 0.1, 0.2, 0.5, 1), (4.42, 4.09, 3.24, 1.85, 1.34)),
    Distortion(20, "non_eccentricity_patch", (20, 40, 60, 80, 100), (4.33, 3.94, 3.77, 3.46, 3.26)),
    Distortion(21, "pixelate", (0.01, 0.05, 0.1, 0.2, 0.5), (3.89, 3.10, 2.90, 2.79, 1.50)),
    Distortion(22, "quantisation", (20, 16, 13, 10, 7), (4.17, 3.93, 3.69, 3.37, 2.80)),
    Distortion(23, "colour_block", (2, 4, 6, 8, 10), (2.69, 2.36, 2.30, 2.13, 2.04)),
    Distortion(24, "high_sharpen", (1, 2, 3, 6, 12), (3.58, 2.64, 2.14, 1.61, 1.34)),
    Distortion(25, "contrast_change", (0.3, 0.15, 0, -0.4, -0.6), (3.42, 3.86, 4.29, 4.14, 3.32)),
)
"""All distortions, in the order of their numbers. Types 18 and 25 leave the picture as it is at level 3."""

REFERENCE_AREA = 512 * 384
"""Pixels of a KADID-10k picture: counts (of patches, of blocks) are meant for this area."""
