"""One batch through a copy of the network, forward and backward: what the loss is and where the gradient goes.

Works on its own network or on a copy, with the random states put back. Judges nothing.
"""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from trainctl.engine.data.batch import Batch, Splits
from trainctl.engine.diagnosis.facts.data import SamplerFacts
from trainctl.engine.diagnosis.facts.network import BatchFacts, ParameterFacts
from trainctl.engine.diagnosis.facts.terms import GradientsFacts
from trainctl.engine.diagnosis.probes.clusters import measure_clusters
from trainctl.engine.diagnosis.probes.contrast import measure_contrast
from trainctl.engine.diagnosis.probes.data import tensor_facts
from trainctl.engine.diagnosis.probes.expected import expected_losses
from trainctl.engine.diagnosis.probes.gates import measure_gates, watched
from trainctl.engine.diagnosis.probes.isolation import undisturbed
from trainctl.engine.diagnosis.probes.reduction import measure_reduction
from trainctl.engine.diagnosis.probes.terms import measure_gradients
from trainctl.engine.optim.optimizers import freeze
from trainctl.engine.tasks.task import StepOutput, Task
from trainctl.engine.training.layout import guard_convolutions

MAX_SAMPLES = 512
"""Larger batches are thinned evenly: the probe asks where the gradient goes, not how large the batch is."""
NORMALISING = (nn.modules.batchnorm._BatchNorm,)  # pyright: ignore[reportPrivateUsage]


@dataclass(frozen=True)
class Bench:
    """What the probe works with."""

    task: Task
    splits: Splits
    model: nn.Module
    device: torch.device
    weights: Mapping[str, float]


def measure_batch(
    task: Task,
    splits: Splits,
    device: torch.device,
    sampler: SamplerFacts | None = None,
    model: nn.Module | None = None,
) -> BatchFacts:
    """Facts about the first batch.

    Args:
        task: gives batch, network and loss.
        splits: its data.
        device: where to compute.
        sampler: says whether an epoch ends with a single sample; the network is then tried on one.
        model: network to copy, e.g. of a run; none: a freshly built one with `config.freeze` applied.

    Raises:
        UserError: the configured network cannot be built, or a module to freeze does not exist.
    """
    seed = task.config.seed
    with undisturbed(seed):
        fresh = task.build_model(splits) if model is None else copy.deepcopy(model)
        if model is None:
            freeze(fresh, task.config.freeze)
        fresh = fresh.to(device).train()
        if device.type == "cpu":
            guard_convolutions(fresh)
        fresh.zero_grad(set_to_none=True)
        bench = Bench(task, splits, fresh, device, _weights(task))
        loaded = _loaded_parameters(bench, seed) if model is None else {}
        return _measure(bench, loaded, sampler)


def _measure(bench: Bench, loaded: Mapping[str, bool], sampler: SamplerFacts | None) -> BatchFacts:
    order = bench.task.sampler(bench.splits.train).batches(0)
    batch = _fetch(bench, order[0])
    with _first_nonfinite_output(bench.model) as first_nonfinite, watched(bench.model) as seen:
        output = bench.task.step(bench.model, batch)
    gates, gradients = measure_gates(seen, output), _gradients(bench, output)
    loss = _backward(bench, output)
    unreached = any(p.grad is None for p in bench.model.parameters() if p.requires_grad)
    if unreached and len(order) > 1 and loss.requires_grad:
        # A branch may be used only for some samples: the second batch is its second chance.
        _backward(bench, bench.task.step(bench.model, _fetch(bench, order[1])))
    norms, frozen = _group_norms(bench)
    ends_with_one = sampler is not None and sampler.last_size == 1
    return BatchFacts(
        batch_size=len(next(iter(batch.values()))),
        terms={name: float(term.detach().mean()) for name, term in output.terms.items()},
        term_depends={name: term.requires_grad for name, term in output.terms.items()},
        weights={name: bench.weights.get(name, 1.0) for name in output.terms},
        loss=float(loss.detach()),
        expected=expected_losses(bench.task, bench.splits, tuple(output.terms)),
        parameters=_parameter_facts(bench.model, loaded),
        group_norms=norms,
        frozen=frozen,
        inputs=tuple(tensor_facts(name, tensor) for name, tensor in batch.items()),
        outputs=tuple(tensor_facts(name, tensor) for name, tensor in output.columns.items()),
        first_nonfinite=first_nonfinite(),
        not_scalar=tuple(name for name, term in output.terms.items() if term.numel() != 1),
        fails_on_one=_try_one(bench, order[-1]) if ends_with_one else None,
        reduction=measure_reduction(bench.task, bench.model, batch),
        contrast=measure_contrast(batch, output, bench.task.kinds),
        clusters=measure_clusters(
            bench.task,
            bench.model,
            output,
            bench.weights,
            lambda rows: _fetch(bench, rows),
            len(bench.splits.train),
        ),
        gates=gates,
        gradients=gradients,
    )


def _gradients(bench: Bench, output: StepOutput) -> GradientsFacts | None:
    """None also where groups of parameters minimise terms of their own: there is no main term then."""
    if bench.task.optimizers(bench.model):
        return None
    return measure_gradients(bench.model, output.terms, bench.weights)


def _weights(task: Task) -> dict[str, float]:
    return {**task.default_weights(), **task.config.loss_weights}


def _fetch(bench: Bench, indices: Tensor) -> Batch:
    """A batch as the loop makes it: gathered, prepared, augmented."""
    indices = indices[:: -(-len(indices) // MAX_SAMPLES)]
    batch = {name: tensor.to(bench.device) for name, tensor in bench.splits.train.at(indices).items()}
    generator = torch.Generator(bench.device).manual_seed(bench.task.config.seed)
    return bench.task.augment(bench.task.prepare(batch), generator)


def _backward(bench: Bench, output: StepOutput) -> Tensor:
    loss = torch.stack([t.float().mean() * bench.weights.get(name, 1.0) for name, t in output.terms.items()]).sum()
    if loss.requires_grad:
        loss.backward()
    return loss


def _loaded_parameters(bench: Bench, seed: int) -> dict[str, bool]:
    """Which parameters a second network, built with another seed, agrees on: those were loaded, not drawn.

    Only asked where something is frozen. If even the trained weights agree, the task seeds itself and nothing
    can be told.
    """
    mine = dict(bench.model.named_parameters())
    if all(p.requires_grad for p in mine.values()):
        return {}
    torch.manual_seed(seed + 1)
    others = dict(bench.task.build_model(bench.splits).named_parameters())
    torch.manual_seed(seed)
    equal = {name: torch.equal(p.detach().cpu(), others[name].detach().cpu()) for name, p in mine.items()}
    trained = [name for name, p in mine.items() if p.requires_grad and p.dim() > 1]
    return {} if trained and all(equal[name] for name in trained) else equal


def _parameter_facts(model: nn.Module, loaded: Mapping[str, bool]) -> tuple[ParameterFacts, ...]:
    return tuple(
        ParameterFacts(
            name=name,
            shape=tuple(p.shape),
            trainable=p.requires_grad,
            grad_norm=None if p.grad is None else float(p.grad.detach().double().norm()),
            is_loaded=loaded.get(name),
        )
        for name, p in model.named_parameters()
    )


def _group_norms(bench: Bench) -> tuple[dict[str, float], tuple[str, ...]]:
    """Gradient norm of each module group that is trained, and the groups that are not."""
    norms: dict[str, float] = {}
    frozen: list[str] = []
    for name, parameters in bench.task.module_groups(bench.model).items():
        if not any(p.requires_grad for p in parameters):
            frozen.append(name)
            continue
        squares = [float(p.grad.double().norm()) ** 2 for p in parameters if p.grad is not None]
        norms[name] = sum(squares) ** 0.5
    return norms, tuple(frozen)


@contextlib.contextmanager
def _first_nonfinite_output(model: nn.Module) -> Generator[Callable[[], str | None]]:
    """Watches the outputs of all modules; gives a function that names the first that was not finite."""
    found: list[str] = []

    def watch(name: str) -> Callable[..., None]:
        def look(module: nn.Module, args: object, output: object) -> None:
            del module, args
            if not found and isinstance(output, Tensor) and not bool(output.isfinite().all()):
                found.append(name)

        return look

    handles = [module.register_forward_hook(watch(name or "the network")) for name, module in model.named_modules()]
    try:
        yield lambda: found[0] if found else None
    finally:
        for handle in handles:
            handle.remove()


def _try_one(bench: Bench, indices: Tensor) -> str | None:
    """What goes wrong with a batch of one sample; None if nothing does."""
    if not any(isinstance(module, NORMALISING) for module in bench.model.modules()):
        return None
    try:
        bench.task.step(bench.model, _fetch(bench, indices[:1]))
    except (ValueError, RuntimeError) as err:
        return str(err).splitlines()[0]
    return None
