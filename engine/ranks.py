"""Which of how many processes this one is. Alone, everything here is the identity.

Knows torch.distributed and what its launchers set, and starts nothing: whoever launched the processes has said who they
are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import distributed as dist


@dataclass(frozen=True)
class Ranks:
    """This process among those that train together."""

    rank: int = 0
    size: int = 1

    @property
    def is_alone(self) -> bool:
        """Whether there is nobody to agree with."""
        return self.size == 1

    @property
    def leads(self) -> bool:
        """Whether this process writes the run directory; the others have a silent desk."""
        return self.rank == 0


ALONE = Ranks()


def present_ranks() -> Ranks:
    """Who this process is, as torch.distributed has it; alone where nothing is distributed."""
    if not (dist.is_available() and dist.is_initialized()):
        return ALONE
    return Ranks(dist.get_rank(), dist.get_world_size())


def is_to_lead(environ: Mapping[str, str]) -> bool:
    """Whether this process leads, or will once its processes have found each other, as its launcher says.

    Args:
        environ: where `torchrun` and those that follow it set `WORLD_SIZE` and `RANK`, some `LOCAL_RANK` alone.
    """
    ranks = present_ranks()
    if not ranks.is_alone or environ.get("WORLD_SIZE", "1") in ("", "1"):
        return ranks.leads
    return environ.get("RANK", environ.get("LOCAL_RANK", "0")) in ("", "0")


def agreed(word: bool) -> bool:
    """What the rank that leads says. All must ask, and wait for it; alone it is the word itself."""
    if present_ranks().is_alone:
        return word
    said = [word]
    dist.broadcast_object_list(said, src=0)
    return said[0]
