"""The step of `step`, taken by several ranks together: each has its part of the batch, and all take the same update.

torch's DistributedDataParallel averages the gradients. What is recorded is the whole batch's: terms and scalars are
averaged too, before the guard looks at them, so that every rank skips the same update. Knows the task contract.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch import distributed as dist
from torch.nn.parallel import DistributedDataParallel

from trainctl.engine.data.batch import Batch
from trainctl.engine.errors import UserError
from trainctl.engine.losses.gather import sharing
from trainctl.engine.tasks.task import StepOutput, Task
from trainctl.engine.training.loop.step import Stepper
from trainctl.engine.training.ranks.team import Team
from trainctl.engine.training.state.ranks import draw_for_step

MOST_NAMED = 5


class _Whole(nn.Module):
    """Network and loss as one module: a task sees its own network, whatever parts of it it calls."""

    def __init__(self, task: Task, network: nn.Module) -> None:
        super().__init__()
        self._task, self.network = task, network

    def named_modules(self, *given: Any, **named: Any) -> Generator[Any]:
        """Those first whose gradients come first: in this order they are exchanged."""
        yield from reversed(list(super().named_modules(*given, **named)))

    def forward(self, batch: Batch) -> StepOutput:
        return self._task.step(self.network, batch)


class SharedStepper(Stepper):
    """Takes optimiser steps together with the other ranks.

    Args:
        team: the ranks.
        options: those of `Stepper`.
    """

    def __init__(self, *options: Any, team: Team) -> None:
        super().__init__(*options)
        self._team = team
        self._sizes: Sequence[int] = ()
        self._own: list[Tensor] = []
        """Terms of this rank's own part, and the seconds that it worked on it."""
        self._began_at, self._waited_at = 0.0, 0.0
        self._before, self._begun_after = list[Tensor](), -1
        """Buffers as the newest step found them, and the step before it."""
        with team.calling():
            self._join()

    def expect(self, sizes: Sequence[int]) -> None:
        """The coming step is of whole batches of these sizes."""
        self._sizes = sizes

    def ready(self, stored: Sequence[Batch]) -> list[Batch]:
        """Batches as `take` takes them; with it the step begins."""
        draw_for_step(self.state, self._seed, self._team.ranks.rank)
        if self.state.shards is None:  # else nothing can be saved without the others
            self._before = [buffer.clone() for buffer in self.state.model.buffers()]
            self._begun_after = self.state.progress.step
        return super().ready(stored)

    @torch.no_grad()
    def undo(self) -> None:
        """Give buffers (statistics of BatchNorm) the values of before a step that was begun and not taken."""
        if self._begun_after == self.state.progress.step:
            for buffer, before in zip(self.state.model.buffers(), self._before, strict=True):
                buffer.copy_(before)

    def _accumulate(self, batches: Sequence[Batch]) -> tuple[list[Tensor], list[Tensor]]:
        count, ranks = len(batches), self._team.ranks
        sums: Tensor | None = None
        own: Tensor | None = None
        num_terms = 0
        self._began_at, self._waited_at = time.perf_counter(), 0.0
        for number, (batch, size) in enumerate(zip(batches, self._sizes, strict=True), 1):
            with self._exchanging(is_last=number == count), self._team.calling(), sharing(size, self._note_wait):
                with self.precision.autocast():
                    output = self._forward(batch)
                if self.recorder is None:
                    self.recorder = self._open_recorder(output)
                share = self._share(output, len(range(ranks.rank, size, ranks.size)), size)
                terms = _weighed(output.terms, output.whole, share)
                self.precision.scaled(self._loss(terms, count)).backward()
            scalars = _weighed(output.scalars, output.whole, share)
            row = torch.stack([value.detach().float() for value in (*terms.values(), *scalars.values())]) / count
            part = torch.stack([term.detach().float() for term in output.terms.values()]) / count
            sums, own = (row, part) if sums is None or own is None else (sums + row, own + part)
            num_terms = len(terms)
            if self._observer is not None:
                self._observer(self.state.progress.step + 1, batch, output, self.state.model)
        self._refuse_unused()
        assert sums is not None and own is not None
        self._note_wait()
        busy = torch.full((1,), self._waited_at - self._began_at, device=own.device)
        self._own = list(torch.cat([own, busy]).unbind())
        means = list((self._team.sum_(sums) / ranks.size).unbind())
        return means[:num_terms], means[num_terms:]

    def _join(self) -> None:
        """Wrap task and network as what averages the gradients."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # older versions of torch do not know its other name
            # Buffers are given their values before they are looked at: a broadcast in between two forward passes would
            # change what the backward pass has kept.
            self._together = DistributedDataParallel(
                _Whole(self.task, self.state.model), broadcast_buffers=False, gradient_as_bucket_view=True
            )
        _settle(self._together)
        self._together.register_comm_hook(self._note_wait, _averaged)

    def _exchanging(self, *, is_last: bool) -> AbstractContextManager[Any]:
        """Around forward and backward pass of a batch, of those that make a step: the gradients go with the last."""
        return nullcontext() if is_last else self._together.no_sync()

    def _write(self, values: Sequence[Tensor]) -> Tensor:
        return super()._write([*values, *self._own])

    def _note_wait(self) -> None:
        """Here this rank first waits for the others."""
        self._waited_at = self._waited_at or time.perf_counter()

    def _forward(self, batch: Batch) -> StepOutput:
        try:
            return self._together(batch)
        except RuntimeError as err:
            if "finished reduction in the prior iteration" in str(err):
                raise UserError(
                    "parameters took no part in the loss of the step before, on this rank",
                    "each must, at every step, where several processes train (docs/distributed.md)",
                ) from err
            raise

    def _share(self, output: StepOutput, own: int, whole: int) -> float | Tensor:
        """What a mean over this rank's part weighs, so that the mean over the ranks is that of the whole batch."""
        size = self._team.size
        if output.units is None:
            return own * size / whole
        units = output.units.detach().double() * (own > 0)
        total = self._team.sum_(units.clone())
        return (units * size / total.clamp(min=1)).float()

    def _refuse_unused(self) -> None:
        """DistributedDataParallel waits for every gradient, and would leave the others' as they are.

        Raises:
            UserError: names the parameters that have none.
        """
        if all(p.grad is not None for p in self.meter.params):
            return
        raise unused_refusal([n for n, p in self.state.model.named_parameters() if p.requires_grad and p.grad is None])


def unused_refusal(names: Sequence[str]) -> UserError:
    """What is said of parameters without a gradient."""
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return UserError(
        f"{', '.join(names[:MOST_NAMED])}{more}: without a gradient, which several processes cannot average",
        f"leave them out of the network, or out of the training: freeze=[{names[0]}]",
    )


def _settle(together: DistributedDataParallel) -> None:
    """Settle for good which gradients are exchanged together, and in which order.

    torch does so after its first step, by the order in which they came. The sum over three ranks and more depends on it
    in its last digits: the first step of a resume would be another than that of the uninterrupted run.
    """
    reducer: Any = together.reducer
    reducer._push_all_rebuilt_params()
    reducer._rebuild_buckets()


def _averaged(note_wait: Callable[[], None], bucket: Any) -> Any:
    """Average a bucket of gradients over the ranks, as DistributedDataParallel does by itself."""
    note_wait()
    summed: Any = dist.all_reduce(bucket.buffer().div_(dist.get_world_size()), async_op=True)
    return summed.get_future().then(_first)


def _first(done: Any) -> Any:
    return done.value()[0]


# torch looks at the annotations of a hook, and takes none that is written as text.
_averaged.__annotations__.clear()


def _weighed(values: Mapping[str, Tensor], whole: frozenset[str], share: float | Tensor) -> dict[str, Tensor]:
    """Values whose mean over the ranks is that of the whole batch; those in `whole` are that already."""
    if isinstance(share, float) and share == 1.0:
        return dict(values)
    return {name: value if name in whole else value * share for name, value in values.items()}
