"""Where the gradient of each loss term goes, in one batch. Knows terms and parameters; judges nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import Tensor, nn

from trainctl.engine.diagnosis.facts.terms import GradientsFacts, TermGradient

Gradients = Sequence[Tensor | None]


def measure_gradients(
    model: nn.Module, terms: Mapping[str, Tensor], weights: Mapping[str, float]
) -> GradientsFacts | None:
    """Norms of the raw terms' gradients; the graph stays for another backward pass.

    Args:
        model: its trainable parameters are asked.
        terms: of a step; the main one is the first that weighs anything.
        weights: of them; 1 where there is none.

    Returns:
        None where there are not two terms to compare, or none weighs anything.
    """
    parameters = [p for p in model.parameters() if p.requires_grad]
    if len(terms) < 2 or not parameters or any(term.numel() != 1 for term in terms.values()):
        return None
    first = next((name for name in terms if weights.get(name, 1.0) > 0), None)
    if first is None:
        return None
    found = {name: _gradients(term, parameters) for name, term in terms.items()}
    main = found[first]

    def facts(name: str) -> TermGradient:
        mine = found[name]
        shared = [k for k, (a, b) in enumerate(zip(mine, main, strict=True)) if _reaches(a) and _reaches(b)]
        return TermGradient(
            name=name,
            weight=weights.get(name, 1.0),
            value=float(terms[name].detach()),
            norm=_norm(mine),
            shared=_norm(mine[k] for k in shared),
            main=_norm(main[k] for k in shared),
        )

    return GradientsFacts(facts(first), tuple(facts(name) for name in terms if name != first))


def _gradients(term: Tensor, parameters: Sequence[nn.Parameter]) -> Gradients:
    if not term.requires_grad:
        return [None] * len(parameters)
    return torch.autograd.grad(term.sum(), parameters, retain_graph=True, allow_unused=True)


def _reaches(gradient: Tensor | None) -> bool:
    return gradient is not None and bool((gradient != 0).any())


def _norm(gradients: Iterable[Tensor | None]) -> float:
    return sum(float(g.detach().double().norm()) ** 2 for g in gradients if g is not None) ** 0.5
