"""Facts about dense layers inside a network: what stands between them, and how much fits through. Plain data, no
torch."""

from __future__ import annotations

from dataclasses import dataclass

MOST_NARROW, NARROWER = 3, 8
"""Numbers of a sample up to which a layer is very narrow, and how many times wider its neighbours then are."""


@dataclass(frozen=True)
class LinkFacts:
    """A dense layer or a convolution that reads what layers before it made."""

    name: str
    width: int
    """Features or channels that it reads."""
    after: int
    """What it makes of them."""
    before: int
    """What the dense layer or convolution that made them reads; 0: it is not known which that was."""
    is_direct: bool
    """Whether nothing but affine operations stand between the two, so that both together are one layer."""
    widest_before: int
    """The most that any layer called earlier reads."""
    carries_all: bool | None = None
    """Whether the results are the same for all samples once they are the same here; None: not asked."""

    @property
    def is_wasted(self) -> bool:
        """Whether this layer and the one before are no more than a single layer could be: the width between them
        narrows nothing, as it does where a large matrix is meant to be the product of two small ones."""
        return self.is_direct and self.width >= min(self.before, self.after)

    @property
    def is_narrow(self) -> bool:
        """Whether very little fits through, much less than before and behind it."""
        return self.width <= MOST_NARROW and NARROWER * self.width <= min(self.widest_before, self.after)
