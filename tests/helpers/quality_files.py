"""Writes small sets of photographs and of KADID-10k for tests, and distorts cheaply."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from trainctl.engine.data.quality.options import QualityData

HEADER = "dist_img,ref_img,dmos,var\n"


def options(seed: int = 0, **data: object) -> tuple[QualityData, int]:
    """Six references of 16×16 pixels, which `data` overrides, and a seed."""
    return QualityData.model_validate({"references": 6, "image_size": 16, **data}), seed


def write_photograph(file: Path, seed: int, size: tuple[int, int] = (40, 56)) -> Path:
    """A random RGB photograph of (height, width) without loss."""
    file.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(file)
    return file


def write_photographs(root: Path, num: int = 5, size: tuple[int, int] = (40, 56)) -> Path:
    """`num` photographs, every second one in a folder below."""
    for k in range(num):
        write_photograph(root / ("below" if k % 2 else ".") / f"photo{k}.png", k, size)
    return root


def write_kadid(root: Path, references: int = 4, size: tuple[int, int] = (24, 32)) -> Path:
    """Two distortions at two levels of each reference, opinions 1.5, 2.5, 3.5 and 4.5."""
    lines: list[str] = []
    for reference in range(1, references + 1):
        name = f"I{reference:02}.png"
        write_photograph(root / "images" / name, reference, size)
        for k, kind in enumerate(("01_01", "01_05", "10_02", "25_03")):
            copy = f"I{reference:02}_{kind}.png"
            write_photograph(root / "images" / copy, 100 * reference + k, size)
            lines.append(f"{copy},{name},{1.5 + k},0.2\n")
    (root / "dmos.csv").write_text(HEADER + "".join(lines), encoding="utf-8")
    return root


def distort_cheaply(images_NCHW: Tensor, number: int, level: int, generator: torch.Generator) -> Tensor:
    """Noise, the more the higher the level: stands in for the real distortions where only the handling is tested."""
    noise_NCHW = torch.rand(images_NCHW.shape, generator=generator)
    return (images_NCHW + level / 10 * (noise_NCHW - 0.5) + number / 1000).clamp(0, 1)
