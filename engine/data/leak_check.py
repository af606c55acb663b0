"""Looks for near-duplicates on both sides of a split: frames of one video, copies re-encoded, mirrored or turned.

Thumbnails are compared by correlation, and only with their neighbours in several random orders (hyperplane
hashes, Charikar 2002), so the cost grows as N log N. A second time all are turned so that the light comes from one
side: then a mirrored copy, or one turned by quarters, lies as the original does. What is cropped by more than some 3 %
of its width is not found. Knows images and names, not where they came from.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

THUMBNAIL = (8, 16)
"""Rows and columns that are compared."""

SQUARE = 12
"""Rows and columns where images may be turned."""

SAME = 0.985
"""Correlation of two thumbnails from which they count as one picture. Eyes of different people stay below .975,
a re-encoded, brightened or slightly noisy copy above .99."""

TABLES, BITS, NEIGHBOURS = 8, 32, 4
"""Random orders, bits of the hash that makes one, and how far apart two images in it are still compared."""

CHUNK = 4096
"""Images whose thumbnails are made together."""


@dataclass(frozen=True)
class Leak:
    """What crossed the split."""

    count: int
    """Validation images with a near-duplicate in training."""
    total: int
    """Validation images."""
    example: tuple[str, str] | None
    """Names of the closest pair: validation, training."""

    def note(self) -> str:
        """One line for the user."""
        if self.example is None:
            return f"leak check: no near-duplicate across the split ({self.total} validation images)"
        return (
            f"leak check: {self.count} of {self.total} validation images have a near-duplicate in training, "
            f"e.g. {self.example[0]} and {self.example[1]}; the validation metrics are too good, "
            "split by person or photo with data.group_by"
        )


def check_leak(train_NCHW: Tensor, val_NCHW: Tensor, train_names: Sequence[str], val_names: Sequence[str]) -> Leak:
    """Count validation images that have a near-duplicate in training.

    Args:
        train_NCHW: uint8 images.
        val_NCHW: uint8 images.
        train_names: one name per training image.
        val_names: one name per validation image.
    """
    num_train = len(train_NCHW)
    best, partner = _closest_across(_both(_thumbnails, train_NCHW, val_NCHW), num_train)
    turned, other = _closest_across(_both(_turned_thumbnails, train_NCHW, val_NCHW), num_train)
    best, partner = torch.maximum(best, turned), torch.where(turned > best, other, partner)
    count = int((best >= SAME).sum())
    if count == 0:
        return Leak(0, len(val_NCHW), None)
    row = int(best.argmax())
    return Leak(count, len(val_NCHW), (val_names[row], train_names[int(partner[row])]))


def _both(thumbnails: Callable[[Tensor], Tensor], train_NCHW: Tensor, val_NCHW: Tensor) -> Tensor:
    return torch.cat([thumbnails(train_NCHW), thumbnails(val_NCHW)])


def _thumbnails(images_NCHW: Tensor) -> Tensor:
    """Grey thumbnails without mean and of unit length, so that a dot product is a correlation. Shape (N, D)."""
    return _units(_pooled(images_NCHW, THUMBNAIL))


def _turned_thumbnails(images_NCHW: Tensor) -> Tensor:
    """The same, square and turned: brighter on the right, and below, and more so on the right. Shape (N, D)."""
    squares_NSS = _pooled(images_NCHW, (SQUARE, SQUARE))
    places_S = torch.linspace(-1, 1, SQUARE)
    across_N, down_N = squares_NSS.sum(1) @ places_S, squares_NSS.sum(2) @ places_S
    squares_NSS = torch.where((across_N < 0)[:, None, None], squares_NSS.flip(2), squares_NSS)
    squares_NSS = torch.where((down_N < 0)[:, None, None], squares_NSS.flip(1), squares_NSS)
    lies_N = across_N.abs() < down_N.abs()
    return _units(torch.where(lies_N[:, None, None], squares_NSS.transpose(1, 2), squares_NSS))


def _pooled(images_NCHW: Tensor, size: tuple[int, int]) -> Tensor:
    """Grey averages over areas, shape (N, rows, columns)."""
    chunks = images_NCHW.split(CHUNK)
    return torch.cat([F.adaptive_avg_pool2d(chunk.float().mean(1), size) for chunk in chunks])


def _units(thumbnails_NHW: Tensor) -> Tensor:
    flat = thumbnails_NHW.flatten(1)
    return F.normalize(flat - flat.mean(1, keepdim=True), eps=1e-3)


def _closest_across(thumbnails_ND: Tensor, num_train: int) -> tuple[Tensor, Tensor]:
    """For each validation image the highest correlation found with a training image, and that image's row."""
    num_val = len(thumbnails_ND) - num_train
    best, partner = torch.full((num_val,), -1.0), torch.zeros(num_val, dtype=torch.int64)
    for key_N in _hashes(thumbnails_ND):
        order = key_N.argsort()
        for distance in range(1, NEIGHBOURS + 1):
            earlier, later = order[:-distance], order[distance:]
            for neighbour, row in ((earlier, later), (later, earlier)):
                crossing = (neighbour < num_train) & (row >= num_train)
                train, val = neighbour[crossing], row[crossing] - num_train
                alike = (thumbnails_ND[train] * thumbnails_ND[row[crossing]]).sum(1)
                better = alike > best[val]
                best[val[better]], partner[val[better]] = alike[better], train[better]
    return best, partner


def _hashes(thumbnails_ND: Tensor) -> list[Tensor]:
    """`TABLES` hashes of each image, int64: the signs of its projections on random directions."""
    generator = torch.Generator().manual_seed(0)
    planes = torch.randn(thumbnails_ND.shape[1], TABLES * BITS, generator=generator)
    signs = ((thumbnails_ND - thumbnails_ND.mean(0)) @ planes > 0).view(-1, TABLES, BITS)
    weights = 2 ** torch.arange(BITS)
    return [(signs[:, table].long() * weights).sum(1) for table in range(TABLES)]
