"""What the first steps of a foreign loop show beside its figures: how often each class is the answer, whether gradients
are cleared between steps, and what of the network no optimiser trains.

Looks by torch's public hooks, for a few steps; changes nothing and waits for nothing: what lies on a device is read
by whoever asks `told`, in the background. Knows no rule, no records and no files.
"""

from __future__ import annotations

import gc
import math
import weakref
from collections.abc import Callable, Iterable, Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.utils.hooks import RemovableHandle

from trainctl.engine.watch import groups
from trainctl.engine.watch.boundary import Boundary
from trainctl.engine.watch.first_steps.first_pass import FirstPass
from trainctl.engine.watch.first_steps.loss_graph import loss_calls

PASSED_THROUGH = ("Div", "Mul", "Mean", "ToCopy", "Squeeze", "View", "Alias")
"""Functions behind a loss that leave it a multiple of what it was."""
MOST_PASSES = 128
"""Backward passes whose answers are counted."""
MOST_CLASSES = 300_000
STEPS = 6
"""Steps between which it is looked whether gradients are cleared."""
SAME = 1e-4
BLOCK, LEAST_SIDE, LEAST_NUMEL = 256, 8, 128
"""Largest block of a matrix that is looked at, and the smallest matrix that tells something."""
EDGE = 1.05
"""Largest singular value, in terms of that of independent draws, up to which a matrix is as it was drawn. In 44
matrices of small networks it was .91 to 1.02 before training; after 600 steps the largest of each network 1.14 to 3.2.
"""
ADAPTERS = ("lora", "adapter", "prompt", "prefix_tuning", "ia3")
MOST_NAMES, MOST_MATRICES = 8, 24


class Answers:
    """Counts the classes in the first losses that are a cross-entropy over classes.

    Attributes:
        is_open: whether it is to be shown losses.
        calls: loss functions of the first; see `loss_graph.loss_calls`.
    """

    def __init__(self, *, is_open: bool = True) -> None:
        self.is_open = is_open
        self._counts: Tensor | None = None
        self._sums: Tensor | None = None
        self.num_passes = 0
        self.calls: list[dict[str, Any]] | None = None

    def look(self, graph: Any, value: Tensor) -> None:
        """A backward pass begins.

        Args:
            graph: last function of the loss's graph, whose tensors are still there.
            value: of the loss, without a gradient scaler's factor.
        """
        try:
            if self.calls is None:
                self.calls = []
                self.calls = loss_calls(graph)
            node = _cross_entropy(graph)
            self.is_open = node is not None and self._count(node, value) and self.num_passes < MOST_PASSES
        except Exception:  # a loss of another make: nothing is known of it then
            self.is_open = False

    def _count(self, node: Any, value: Tensor) -> bool:
        # What is packed away (checkpointing, offloading) is no tensor, and is left alone.
        answers, log_p = node._raw_saved_target.data, node._raw_saved_self.data
        is_plain = isinstance(answers, Tensor) and isinstance(log_p, Tensor) and node._saved_weight is None
        if not is_plain or log_p.dim() not in (2, 4) or not 1 < log_p.shape[1] <= MOST_CLASSES:
            return False
        with torch.no_grad():
            num_classes = int(log_p.shape[1])
            wanted = answers.detach().reshape(-1)
            by_answer = log_p.detach().movedim(1, -1).reshape(-1, num_classes)
            is_one = (wanted >= 0) & (wanted < num_classes) & (wanted != _signed(node._saved_ignore_index))
            at = torch.where(is_one, wanted, 0)
            kept = is_one.float()
            counts = torch.zeros(num_classes, device=wanted.device).scatter_add_(0, at, kept)
            surprise = -(by_answer.gather(1, at[:, None])[:, 0].float() * kept).sum() / kept.sum().clamp(min=1.0)
            sums = torch.stack([value.float().to(surprise.device), surprise])
            if self._counts is not None and self._counts.shape != counts.shape:
                return False
            self._counts = counts if self._counts is None else self._counts + counts
            self._sums = sums if self._sums is None else self._sums + sums
        self.num_passes += 1
        return True

    def told(self, num_steps: int) -> dict[str, Any]:
        """What was counted; empty: no such loss. `num_steps`: in which it was."""
        if self._counts is None or self._sums is None or not num_steps:
            return {}
        counts, (total, surprise) = self._counts.double().cpu(), self._sums.tolist()
        count = float(counts.sum())
        if count < 1 or not (math.isfinite(total) and surprise > 0):
            return {}
        shares = counts[counts > 0] / count
        entropy = float(-(shares * shares.log()).sum())
        return {
            "count": int(count),
            "classes": len(counts),
            "seen": len(shares),
            "entropy": entropy,
            "largest": float(shares.max()),
            "loss": entropy * total / surprise * self.num_passes / num_steps,
        }


def _cross_entropy(graph: Any) -> Any:
    """The function that a loss is a multiple of, where that is a cross-entropy over classes; else None."""
    for _ in range(8):
        if graph is None:
            return None
        name = str(graph.name())
        if name.startswith("NllLoss"):
            return graph
        if not name.startswith(PASSED_THROUGH):
            return None
        graph = next((before for before, _ in graph.next_functions if before is not None), None)
    return None


def _signed(number: int) -> int:
    return number - 2**64 if number >= 2**63 else number


class Cleared:
    """Looks for some steps of an optimiser whether the next one begins with the gradients of the last.

    Args:
        boundary: of the optimiser.
    """

    def __init__(self, boundary: Boundary) -> None:
        self._kept, self._used = list[Tensor | bool](), dict[int, Tensor]()
        self._now: list[Tensor | bool] = []
        self._before: dict[int, Tensor | bool] = {}
        """Of a parameter whether its gradients were kept, until the new one is added to them."""
        self._met_once: frozenset[int] = frozenset()
        """Parameters that a backward pass has reached since the last step."""
        self._num_steps = 0
        params = [p for p in boundary.meter.params if p.requires_grad]
        self._params = list({id(p): p for p in (*params[:1], *params[-1:])}.values())
        self._handles: list[RemovableHandle] = []
        optimizer = boundary.optimizer
        if optimizer is not None and not boundary.is_inner and not boundary.meter.is_sharded:
            self._handles = [p.register_hook(self._met(p)) for p in self._params]
            self._handles += [p.register_post_accumulate_grad_hook(self._added) for p in self._params]

    @property
    def is_looking(self) -> bool:
        """Whether it has hooks in the loop."""
        return bool(self._handles)

    def _met(self, p: nn.Parameter) -> Callable[[Tensor], None]:
        """A hook of a parameter: its new gradient is there, and not added to what it has."""

        def met(grad: Tensor) -> None:
            del grad
            used, left = self._used.get(id(p)), p.grad
            if used is not None:
                # In the first pass after the step they are as they were; in further ones they have grown.
                is_first = id(p) not in self._met_once
                self._before[id(p)] = False if left is None else _is_kept(left, used if is_first else None)

        return met

    def _added(self, p: Tensor) -> None:
        """It is added, which the gradients that `torch.autograd.grad` returns are not: those take the others' place."""
        found = self._before.pop(id(p), None)
        if found is not None:
            self._met_once |= {id(p)}
            self._now.append(found)

    def stepped(self) -> None:
        """A step is done."""
        if not self._handles:
            return
        if self._now:
            found = self._now
            self._kept.append(not any(one is False for one in found) and _all(found))
            self._now, self._met_once = [], frozenset()
        self._used = {id(p): p.grad.detach().norm() for p in self._params if p.grad is not None and _is_dense(p.grad)}
        self._num_steps += 1
        if len(self._kept) >= STEPS or not self._used or self._num_steps > 2 * STEPS:
            self.stop()

    def stop(self) -> None:
        """Take the hooks back; again is harmless."""
        while self._handles:
            self._handles.pop().remove()
        self._used = {}

    def told(self) -> tuple[int, int]:
        """Steps that began with the gradients of the one before, and steps that were looked at."""
        return sum(bool(one) for one in self._kept), len(self._kept)


def _is_dense(grad: Tensor) -> bool:
    return not grad.is_sparse and type(grad) is Tensor


def _is_kept(left: Tensor, used: Tensor | None) -> Tensor | bool:
    """Whether a gradient is there, and is as large as the one that was `used`."""
    if not _is_dense(left):
        return False
    norm = left.detach().norm()
    return norm > 0 if used is None else (norm > 0) & ((norm - used).abs() <= SAME * used)


def _all(found: Sequence[Tensor | bool]) -> Tensor | bool:
    tensors = [one for one in found if isinstance(one, Tensor)]
    return torch.stack([one.to(tensors[0].device, non_blocking=True) for one in tensors]).all() if tensors else False


class FirstSteps:
    """All of it, for one loop; told once.

    Args:
        boundaries: of its optimisers.
        model: the network; None: unknown.
        answers: that were counted so far; they are counted on.
        step: says how many steps there were.
        tell: is given what reads it; called between two steps.
        first_pass: of a network that was named.

    Attributes:
        is_over: whether it has told.
    """

    def __init__(
        self,
        boundaries: Sequence[Boundary],
        model: nn.Module | None,
        answers: Answers,
        step: Callable[[], int],
        tell: Callable[[Callable[[], dict[str, Any]]], None],
        first_pass: FirstPass | None = None,
    ) -> None:
        self._first_pass = first_pass
        self._model = None if model is None else weakref.ref(model)
        self._answers, self._step, self._tell = answers, step, tell
        self._cleared = [Cleared(boundary) for boundary in boundaries]
        self._optimizers = [weakref.ref(one) for boundary in boundaries if (one := boundary.optimizer) is not None]
        self.is_over = False

    def stepped(self) -> None:
        """A step of the loop is done."""
        for one in self._cleared:
            one.stepped()
        if not any(one.is_looking for one in self._cleared):
            self.over()

    def over(self) -> None:
        """Tell what was seen; again is harmless."""
        if self.is_over:
            return
        self.is_over, self._answers.is_open = True, False
        for one in self._cleared:
            one.stop()
        model = None if self._model is None else self._model()
        optimizers = [found for refer in self._optimizers if (found := refer()) is not None]
        parts = None if model is None else Parts(model, optimizers)
        answers, num_steps, cleared, first_pass = self._answers, self._step(), self._cleared, self._first_pass
        if first_pass is not None:
            first_pass.stop()

        def told() -> dict[str, Any]:
            found: dict[str, Any] = {"uncleared": [list(one.told()) for one in cleared]}
            found["answers"], found["losses"] = answers.told(num_steps), answers.calls or []
            found |= {} if first_pass is None else {"first_pass": first_pass.told()}
            return found if parts is None else {**found, "parts": parts.told()}

        self._tell(told)


class Parts:
    """What of a network is trained: what is, what is frozen, and what wants a gradient and is in no optimiser.

    Args:
        model: the network.
        optimizers: that are known; any other of the process counts too.
    """

    def __init__(self, model: nn.Module, optimizers: Iterable[Optimizer]) -> None:
        others = [found for found in gc.get_objects() if issubclass(type(found), Optimizer)]
        held = {id(p) for one in (*optimizers, *others) for p in groups.trained(one)}
        named = list(model.named_parameters())
        self._trained = [(name, p) for name, p in named if p.requires_grad and id(p) in held]
        self._frozen = [(name, p) for name, p in named if not p.requires_grad]
        self._left = [(name, p) for name, p in named if p.requires_grad and id(p) not in held]
        self._num_reached = sum(p.numel() for _, p in self._left if p.grad is not None)

    def told(self) -> dict[str, Any]:
        """Scalars and names of each, and which share of the latter two is as it was drawn."""
        trained, frozen, left = self._trained, self._frozen, self._left
        twins = {(name.rpartition(".")[2], p.shape) for name, p in trained}
        alone = [(name, p) for name, p in frozen if (name.rpartition(".")[2], p.shape) not in twins]
        return {
            "trained": _numel(trained),
            "frozen": _numel(frozen),
            "left": _numel(left),
            "left_reached": self._num_reached,
            "frozen_alone": _numel(alone),
            "only_small": bool(trained) and all(p.dim() < 2 for _, p in trained),
            "adapters": bool(trained) and all(any(word in name.lower() for word in ADAPTERS) for name, _ in trained),
            "frozen_names": _names(frozen),
            "left_names": _names(left),
            "frozen_drawn": _drawn_share(p for _, p in frozen),
            "left_drawn": _drawn_share(p for _, p in left),
        }


Named = Sequence[tuple[str, nn.Parameter]]


def _numel(named: Named) -> int:
    return sum(p.numel() for _, p in named)


def _names(named: Named) -> list[str]:
    return list(dict.fromkeys(name.partition(".")[0] for name, _ in named))[:MOST_NAMES]


def _drawn_share(params: Iterable[Tensor]) -> float | None:
    """Share of the matrices, by size, that are as they were drawn; None: none of them tells."""
    largest = sorted((p for p in params if p.dim() > 1), key=lambda p: p.numel(), reverse=True)[:MOST_MATRICES]
    told = [(p.numel(), is_drawn(p)) for p in largest]
    known = [(numel, drawn) for numel, drawn in told if drawn is not None]
    total = sum(numel for numel, _ in known)
    return sum(numel for numel, drawn in known if drawn) / total if total else None


def is_drawn(weights: Tensor) -> bool | None:
    """Whether the entries of a matrix or kernel may be independent draws; None: it is too small to tell, or sharded.

    The largest singular value of independent draws of deviation s, m by n, is near s · (√m + √n); what was learned has
    directions of its own, far above it.
    """
    if weights.dim() < 2 or type(weights.detach()) is not Tensor or not weights.is_floating_point():
        return None
    block = weights.detach().flatten(1)[:BLOCK, :BLOCK].double().cpu()
    rows, columns = block.shape
    if min(rows, columns) < LEAST_SIDE or block.numel() < LEAST_NUMEL:
        return None
    size = float(block.square().mean().sqrt())
    if not math.isfinite(size):
        return None
    largest = float(cast("Tensor", torch.linalg.svdvals(block)).max())
    return largest <= EDGE * size * (math.sqrt(rows) + math.sqrt(columns))
