"""What is known of a user's eyes before any is decoded: how many there are, how large the pictures. No torch.

Lists the images as the loader does, and reads the headers of some of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from statistics import median

from trainctl.engine.data.eyes.listing import TRAIN, UNUSED, VAL, Listing
from trainctl.engine.data.eyes.load import list_eyes
from trainctl.engine.data.eyes.options import EyesData
from trainctl.engine.data.images import UnreadableImageError, image_size
from trainctl.engine.errors import UserError

MOST_HEADERS = 256
"""Images whose size is looked at, spread over all."""


@dataclass(frozen=True)
class Survey:
    """Facts about images that nobody has looked at yet."""

    num_images: int
    """That train or validate."""
    num_train: int
    """That will train, but for what a grouping adds or takes away: the same under every seed."""
    sizes: tuple[tuple[int, int], ...]
    """Height and width in pixels of some of the images; not empty."""

    @property
    def median_size(self) -> tuple[int, int]:
        """Height and width of the usual picture."""
        heights, widths = zip(*self.sizes, strict=True)
        return round(median(heights)), round(median(widths))

    def __str__(self) -> str:
        height, width = self.median_size
        about = "about " if len(set(self.sizes)) > 1 else ""
        return f"{self.num_images:,} images of {about}{height}x{width}"


def survey_eyes(options: EyesData, path: Path) -> Survey | None:
    """The facts about the eyes at a path; None where they cannot be used, which the loader says better."""
    try:
        listing = list_eyes(path, options.classes)
        sizes = tuple(_sizes(listing))
    except UserError:
        return None
    num_images, num_train = _counts(listing, options)
    return Survey(num_images, num_train, sizes) if sizes and num_train else None


def _counts(listing: Listing, options: EyesData) -> tuple[int, int]:
    """How many images are used, and how many of them train: as the data say it, else by `data.val_fraction`."""
    num_images, sides = len(listing.names), listing.sides
    if sides is not None and VAL in sides:
        num_images = int((sides != UNUSED).sum())
    if sides is not None and options.group_by is None and 0 < (num_train := int((sides == TRAIN).sum())) < num_images:
        return num_images, num_train
    return num_images, round(num_images * (1 - options.val_fraction))


def _sizes(listing: Listing) -> Iterator[tuple[int, int]]:
    """Sizes of images spread over a listing; what cannot be read is passed over."""
    stride = -(-len(listing.names) // MOST_HEADERS)
    for source in islice(listing.sources(), 0, None, stride):
        try:
            yield image_size(source)
        except UnreadableImageError:
            continue
