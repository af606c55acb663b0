"""The processes that train one run: what they tell one another, and what each learns when one of them is gone.

Alone everything here is the identity and costs nothing. Knows torch.distributed; what is told is the caller's. Only the
loop's thread may call what all ranks must call: two threads would speak in another order on every rank.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol, TypeVar, cast

import torch
from torch import Tensor
from torch import distributed as dist

from trainctl.engine.errors import ExitCode, UserError, kind_and_words
from trainctl.engine.ranks import ALONE, Ranks

Said = TypeVar("Said")
LINK = re.compile(r"gloo/|\bNCCL\b|\bnccl|[Pp]rocess ?[Gg]roup")
"""How torch words that others do not answer: its errors for that are plain RuntimeErrors."""


class LostRankError(RuntimeError):
    """Another rank does not answer any more."""


class MissingRankError(UserError):
    """Another rank is gone, or never came, before there is a run. Nothing that was given is wrong.

    Args:
        message, hint: as of any mistake.
        is_lead: it is the one that leads, which can say nothing any more.
    """

    def __init__(self, message: str, hint: str = "", *, is_lead: bool = False) -> None:
        super().__init__(message, hint, code=ExitCode.RUN_FAILED)
        self.is_lead = is_lead


def missing_before_first(why: str) -> MissingRankError:
    """What is said where a rank is gone before there is a run; `why` as a witness words it."""
    return MissingRankError(f"{why}, before the first step", is_lead=why.startswith("rank 0 is gone"))


class Witness(Protocol):
    """What says why a team fell apart, when nobody can be asked any more."""

    def say(self, reason: str) -> None:
        """Leave word why this rank ends; empty: because another does not answer."""
        ...

    def reasons(self) -> str:
        """Who is gone and why, in words, after a moment's patience."""
        ...

    def close(self, *, is_patient: bool, is_well: bool) -> None:
        """Stop giving signs of life; patient: once the rank that leads has. `is_well`: see `meeting.part`."""
        ...


class Team:
    """This rank among the others.

    Args:
        ranks: who it is.
        witness: for when the others do not answer.

    Attributes:
        is_broken: nobody can be asked anything any more; each ends by itself.
    """

    def __init__(self, ranks: Ranks = ALONE, witness: Witness | None = None) -> None:
        self.ranks, self._witness = ranks, witness
        self.is_broken = False

    @property
    def is_alone(self) -> bool:
        """Whether there is nobody to ask."""
        return self.ranks.is_alone

    @property
    def leads(self) -> bool:
        """Whether this rank writes the run and decides what the clock decides."""
        return self.ranks.leads

    @property
    def size(self) -> int:
        """How many ranks there are."""
        return self.ranks.size

    @contextmanager
    def calling(self) -> Generator[None]:
        """Within, others are waited for.

        Raises:
            LostRankError: one of them does not answer. Whatever else is raised is the caller's own.
        """
        try:
            yield
        except LostRankError:
            raise
        except (RuntimeError, ConnectionError) as err:
            if self.is_alone or not _is_of_link(err):
                raise
            self.is_broken = True
            raise LostRankError(kind_and_words(err)) from err

    def lead(self, said: Said) -> Said:
        """What the leading rank says."""
        if self.is_alone:
            return said
        held: list[Any] = [said if self.leads else None]
        with self.calling():
            dist.broadcast_object_list(held, src=0)
        return cast("Said", held[0])

    def everyone(self, said: Said) -> list[Said]:
        """What each rank says, in their order."""
        if self.is_alone:
            return [said]
        held: list[Any] = [None] * self.size
        with self.calling():
            dist.all_gather_object(held, said)
        return cast("list[Said]", held)

    def collected(self, said: Said) -> list[Said]:
        """What each rank says, in their order, for the leading rank; the others learn nothing: an empty list."""
        if self.is_alone:
            return [said]
        held: list[Any] | None = [None] * self.size if self.leads else None
        with self.calling():
            dist.gather_object(said, held, dst=0)
        return cast("list[Said]", held or [])

    def most(self, numbers: Sequence[float]) -> list[float]:
        """The largest of each of some numbers over the ranks. The small exchange: no more than one reduction."""
        if self.is_alone:
            return list(numbers)
        vector = torch.tensor(numbers, dtype=torch.float64)
        with self.calling():
            dist.all_reduce(vector, dist.ReduceOp.MAX)
        return vector.tolist()

    def sum_(self, values: Tensor) -> Tensor:
        """The sum over the ranks, in place, on the device."""
        if not self.is_alone:
            with self.calling():
                dist.all_reduce(values)
        return values

    @torch.no_grad()
    def follow_lead(self, tensors: Sequence[Tensor]) -> None:
        """Give tensors the values that the leading rank's have, kind by kind in one broadcast."""
        if self.is_alone:
            return
        kinds = {(tensor.dtype, tensor.device): None for tensor in tensors}
        for kind in kinds:
            parts = [tensor for tensor in tensors if (tensor.dtype, tensor.device) == kind]
            flat = torch.cat([part.detach().reshape(-1) for part in parts])
            wire = flat.to(torch.uint8) if flat.dtype is torch.bool else flat
            with self.calling():
                dist.broadcast(wire, src=0)
            for part, values in zip(parts, wire.to(flat.dtype).split([part.numel() for part in parts]), strict=True):
                part.detach().copy_(values.view(part.shape))

    def why(self, err: BaseException) -> str:
        """Why the run ends, in words, once something was raised here. The others may not be asked anything any more.

        Empty: it is this rank's own fault, and it leads, so it need not be named.
        """
        if self._witness is None:
            return ""
        self.is_broken = True
        if isinstance(err, LostRankError):
            self._witness.say("")
            return self._witness.reasons()
        reason = kind_and_words(err)
        self._witness.say(reason)
        return "" if self.leads else f"rank {self.ranks.rank}: {reason}"

    def leave(self, reason: str) -> None:
        """Say why this rank ends by itself, before there is a run; the others may be waiting for it, so it waits for
        nobody."""
        self.is_broken = True
        if self._witness is not None:
            self._witness.say(reason)

    def close(self, *, is_well: bool) -> None:
        """Part, after the rank that leads. Harmless when alone, and again."""
        witness, self._witness = self._witness, None
        if witness is not None:
            witness.close(is_patient=not self.is_broken, is_well=is_well)


def _is_of_link(err: BaseException) -> bool:
    """Whether an error says that another process does not answer, rather than what is wrong here."""
    kinds = tuple(
        kind
        for kind in (getattr(dist, name, None) for name in ("DistBackendError", "DistNetworkError", "DistStoreError"))
        if isinstance(kind, type)
    )
    return isinstance(err, (ConnectionError, *kinds)) or bool(LINK.search(str(err)))


ALONE_TEAM = Team()
"""Of a process that trains by itself."""
