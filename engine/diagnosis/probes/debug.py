"""What `run --debug` prints of the first batches: classes, statistics of inputs and outputs, the gradient check.

May wait for the device, which the loop otherwise never does. Changes nothing and decides nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import torch
from torch import Tensor, nn

from trainctl.engine.data.batch import Batch
from trainctl.engine.diagnosis.probes.data import tensor_facts
from trainctl.engine.tasks.task import StepOutput

LABEL_NAMES = ("labels", "label", "targets", "target", "y")
PREFIX, INDENT = "[DEBUG] ", "[DEBUG]         "


class DebugPrinter:
    """Prints the first batches of a run.

    Args:
        write: takes one line.
        classes: names of the classes; empty for a task without.
        batches: how many batches to print.
    """

    def __init__(self, write: Callable[[str], None], classes: Sequence[str], batches: int = 3) -> None:
        self._write = write
        self._classes = tuple(classes)
        self._left = batches
        self._index = 0

    def after_backward(self, step: int, batch: Batch, output: StepOutput, model: nn.Module) -> None:
        """Print what is to be seen of a batch once its gradient is there."""
        if self._left <= 0:
            return
        self._left -= 1
        labels = find_labels(batch) if self._classes else None
        if labels is not None:
            for line in label_lines(self._index, labels, self._classes):
                self._write(PREFIX + line)
        self._write(f"{PREFIX}Batch {self._index} (step {step}), mean std min max and what is not finite:")
        for line in [*statistic_lines("input", batch), *statistic_lines("output", output.columns)]:
            self._write(INDENT + line)
        for line in statistic_lines("loss", output.terms):
            self._write(INDENT + line)
        self._write(f"{PREFIX}Gradient check:")
        for line in gradient_lines(model):
            self._write(INDENT + line)
        self._index += 1


def find_labels(batch: Mapping[str, Tensor]) -> Tensor | None:
    """The class of each sample, by the tensor's usual names; none if no integer tensor has one."""
    found = (batch[name] for name in LABEL_NAMES if name in batch)
    return next((t for t in found if t.dim() == 1 and not t.is_floating_point()), None)


def label_lines(index: int, labels_B: Tensor, classes: Sequence[str]) -> Iterator[str]:
    """The classes of a batch and a judgement (training optimisation summary, §3)."""
    unique, counts = torch.unique(labels_B.detach().cpu(), return_counts=True)
    yield f"Batch {index} labels - unique: {unique.tolist()}, counts: {counts.tolist()}"
    if len(unique) == 1 and len(labels_B) > 1:
        number = int(unique[0])
        name = f" ({classes[number]})" if 0 <= number < len(classes) else ""
        yield f"! WARNING: all {len(labels_B)} samples of the batch are of class {number}{name}"
    else:
        yield f"✓ ok: the batch holds {len(unique)} of {len(classes)} classes"


def statistic_lines(what: str, tensors: Mapping[str, Tensor]) -> Iterator[str]:
    """One line of statistics for each tensor."""
    for name, tensor in tensors.items():
        facts = tensor_facts(name, tensor)
        shape = "×".join(map(str, facts.shape)) or "scalar"
        bad = f"! WARNING: {facts.num_nonfinite} NaN or Inf" if facts.num_nonfinite else "0 NaN or Inf"
        numbers = f"{facts.mean:.4g} {facts.std:.4g} {facts.minimum:.4g} {facts.maximum:.4g}"
        yield f"{what} {name} {facts.dtype} {shape}: {numbers}, {bad}"


def gradient_lines(model: nn.Module) -> Iterator[str]:
    """How many parameters have a gradient, its norm, and what is frozen."""
    parameters = list(model.parameters())
    gradients = [p.grad.detach() for p in parameters if p.grad is not None]
    yield f"Params with grad: {len(gradients)} of {len(parameters)}"
    total = torch.stack([g.double().norm() for g in gradients]).norm().item() if gradients else 0.0
    yield f"Total grad norm: {total:.6f}"
    frozen = [
        name
        for name, module in model.named_children()
        if any(True for _ in module.parameters()) and not any(p.requires_grad for p in module.parameters())
    ]
    yield f"Frozen modules: {', '.join(frozen) or 'none'}"
    if not gradients:
        yield "! WARNING: no parameter has a gradient: everything is frozen, or the loss is cut off"
    elif total == 0:
        yield "! WARNING: every gradient is zero"
