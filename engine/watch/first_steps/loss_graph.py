"""Which loss functions of torch a backward pass begins with, which activation made what they are given, and whether
answers and targets of other shapes were stretched: by what autograd's functions are called, and their shapes.

Reads no values, and waits for nothing. Knows no rule.
"""

from __future__ import annotations

from typing import Any

from trainctl.engine.diagnosis.probes.watching.loss_calls import MAKERS, NODE, SAME_VALUES

THROUGH = SAME_VALUES | {"Add", "Mul", "Div", "Mean", "Sum", "Neg", "Pow", "Abs", "Sqrt", "Stack", "Cat", "Where",
                         "MaskedFill"}  # fmt: skip
"""Functions between a loss function and what the backward pass begins with."""
HELD_AGAINST = {"MseLoss": "mse_loss", "SmoothL1Loss": "smooth_l1_loss", "HuberLoss": "huber_loss"}
MOST_FUNCTIONS, MOST_CALLS = 64, 8


def loss_calls(graph: Any) -> list[dict[str, Any]]:
    """The loss functions, as plain data: `name`, `made_by`, `input` and `target` (shapes; empty: not known).

    Args:
        graph: last function of the loss's graph; what it has kept may be gone.
    """
    found: list[dict[str, Any]] = []
    ahead, seen = [graph], set[Any]()
    while ahead and len(seen) < MOST_FUNCTIONS and len(found) < MOST_CALLS:
        node = ahead.pop(0)
        if node is None or node in seen:
            continue
        seen.add(node)
        call = _call(node)
        if call is not None:
            found.append(call)
        elif _kind(node) in THROUGH:
            ahead += _before(node)
    return found


def _call(node: Any) -> dict[str, Any] | None:
    kind, before = _kind(node), _before(node)
    if kind.startswith("NllLoss"):
        maker = _maker(before[0]) if before else None
        return _call(maker) if _kind(maker) == "LogSoftmax" else _told("nll_loss", before[0] if before else None)
    if kind == "LogSoftmax":
        return _told("cross_entropy", before[0] if before else None)
    if kind == "BinaryCrossEntropyWithLogits":
        return _told("binary_cross_entropy_with_logits", before[0] if before else None)
    if kind in HELD_AGAINST or kind == "Sub":
        return _stretched(HELD_AGAINST.get(kind, "difference"), node, before)
    return None


def _told(name: str, given: Any) -> dict[str, Any]:
    """Of a function that is given answers: the activation that made them."""
    return {"name": name, "made_by": MAKERS.get(_kind(_maker(given)), ""), "input": _shape(given), "target": []}


def _stretched(name: str, node: Any, before: list[Any]) -> dict[str, Any] | None:
    """Where answers of (B, 1) and targets of (B), or the other way round, were stretched to (B, B)."""
    known = [one for one in before if one is not None]
    if len(known) != 1:
        return None  # both ask for a gradient: differences of all pairs are meant
    answers = known[0]
    whole = _shape(answers) if name != "difference" else _shape(node)
    if _kind(answers) == "Expand":
        answers = next(iter(_before(answers)), None)
    if _kind(answers) == "Unsqueeze":
        return None  # [:, None] right before it: all pairs are meant
    own = _shape(answers)
    if len(whole) != 2 or whole[0] != whole[1] or whole[0] < 2:
        return None
    size = whole[0]
    if own not in ([size, 1], [size]):
        return None
    return {"name": name, "made_by": "", "input": own, "target": [size] if len(own) == 2 else [size, 1]}


def _maker(node: Any) -> Any:
    """The last function before this that changes values; None: none."""
    while node is not None and _kind(node) in SAME_VALUES:
        node = next((one for one in _before(node) if one is not None), None)
    return node


def _kind(node: Any) -> str:
    found = NODE.fullmatch(type(node).__name__)
    return found[1] if found else ""


def _before(node: Any) -> list[Any]:
    return [one for one, _ in node.next_functions]


def _shape(node: Any) -> list[int]:
    """Of the tensor that a function gave; empty: not known."""
    try:
        return [int(side) for side in node._input_metadata[0].shape]
    except (AttributeError, IndexError, TypeError):
        return []
