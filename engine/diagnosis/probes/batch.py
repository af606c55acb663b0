"""One batch through a copy of the network, forward and backward: what the loss is and where the gradient goes.

Works on its own network or on a copy, with the random states put back. Judges nothing.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from trainctl.engine.data.batch import Batch, Splits
from trainctl.engine.diagnosis.facts.data import SamplerFacts
from trainctl.engine.diagnosis.facts.network import BatchFacts, ParameterFacts
from trainctl.engine.diagnosis.facts.terms import GradientsFacts
from trainctl.engine.diagnosis.probes.bench import Bench, open_bench
from trainctl.engine.diagnosis.probes.clusters import measure_clusters
from trainctl.engine.diagnosis.probes.contrast import measure_contrast
from trainctl.engine.diagnosis.probes.copies import private
from trainctl.engine.diagnosis.probes.data import tensor_facts
from trainctl.engine.diagnosis.probes.expected import expected_losses
from trainctl.engine.diagnosis.probes.gates import measure_gates, watched
from trainctl.engine.diagnosis.probes.isolation import undisturbed
from trainctl.engine.diagnosis.probes.reduction import measure_reduction
from trainctl.engine.diagnosis.probes.terms import measure_gradients
from trainctl.engine.diagnosis.probes.watching.mixing import measure_mixing
from trainctl.engine.diagnosis.probes.watching.notices import listened, quiet
from trainctl.engine.diagnosis.probes.watching.observed import Observed
from trainctl.engine.diagnosis.probes.watching.results import size_of
from trainctl.engine.runs.term_kinds import kinds_of
from trainctl.engine.tasks.task import StepOutput, Task

NORMALISING = (nn.modules.batchnorm._BatchNorm,)  # pyright: ignore[reportPrivateUsage]


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
    with undisturbed(task.config.seed), quiet():
        return measure_on(open_bench(task, splits, device, model), sampler, is_fresh=model is None)


def measure_on(bench: Bench, sampler: SamplerFacts | None, *, is_fresh: bool = True) -> BatchFacts:
    """The same on a bench, whose network runs in training mode; `is_fresh`: it was just built."""
    loaded = _loaded_parameters(bench) if is_fresh else {}
    order = bench.task.sampler(bench.splits.train).batches(0)
    batch = bench.fetch(order[0])
    observed = Observed(bench, batch)
    with listened() as notices:
        with _first_nonfinite_output(bench.model) as first_nonfinite, watched(bench.model) as seen:
            output = observed.training_step()
        gates, gradients = measure_gates(seen, output), _gradients(bench, output)
        loss = _backward(bench, output)
    unreached = any(p.grad is None for p in bench.model.parameters() if p.requires_grad)
    if unreached and len(order) > 1 and loss.requires_grad:
        # A branch may be used only for some samples: the second batch is its second chance.
        _backward(bench, bench.step(bench.fetch(order[1])))
    norms, frozen = _group_norms(bench)
    ends_with_one = sampler is not None and sampler.last_size == 1
    return BatchFacts(
        batch_size=size_of(batch),
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
        gates=gates,
        gradients=gradients,
        kinds=kinds_of(tuple(output.terms), bench.task.kinds),
        loss_calls=tuple(observed.losses.found),
        softmaxes=tuple(observed.losses.softmaxes),
        notices=(*bench.notices, *notices),
        **_further(bench, batch, output, observed),
    )


def _further(bench: Bench, batch: Batch, output: StepOutput, observed: Observed) -> dict[str, Any]:
    """Facts that take further passes through the network."""
    return {
        "reduction": measure_reduction(bench.task, bench.model, batch),
        "contrast": measure_contrast(batch, output, bench.task.kinds),
        "clusters": measure_clusters(
            bench.task, bench.model, output, bench.weights, bench.fetch, len(bench.splits.train)
        ),
        "layers": observed.layers(),
        "mixing": measure_mixing(bench, batch),
    }


def _gradients(bench: Bench, output: StepOutput) -> GradientsFacts | None:
    """None also where groups of parameters minimise terms of their own: there is no main term then."""
    if bench.task.optimizers(bench.model):
        return None
    return measure_gradients(bench.model, output.terms, bench.weights)


def _backward(bench: Bench, output: StepOutput) -> Tensor:
    loss = bench.loss_of(output)
    if loss.requires_grad:
        loss.backward()
    return loss


def _loaded_parameters(bench: Bench) -> dict[str, bool]:
    """Which parameters a second network, built with another seed, agrees on: those were loaded, not drawn.

    Only asked where something is frozen, or an average keeps what the network began with. If even the trained weights
    agree, the task seeds itself and nothing can be told.
    """
    mine, ema = dict(bench.model.named_parameters()), bench.task.config.ema
    if all(p.requires_grad for p in mine.values()) and (ema.decay is None or ema.ramp):
        return {}
    seed = bench.task.config.seed
    with undisturbed(seed + 1):
        others = dict(private(bench.task).build_model(bench.splits).named_parameters())
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
        bench.task.step(bench.model, bench.fetch(indices[:1]))
    except (ValueError, RuntimeError) as err:
        return str(err).splitlines()[0]
    return None
