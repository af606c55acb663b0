"""Which kinds of faults the label of a rival tool makes plausible, and which a code of ours does. Runs nothing.

A kind is plausible where the label's own words, or the causes that the tool lists below it, name it or its symptom.
The same symptom has the same kinds whoever names it. A label of the machine (time, memory) makes none plausible.
"""

from __future__ import annotations

from collections.abc import Mapping

FAMILIES: Mapping[str, str] = {
    "divergence": "the loss rises",
    "nan": "a loss or gradient that is no finite number",
    "lr_too_high": "a rate that is too high",
    "lr_too_low": "a rate that is too low, or 0",
    "not_learning": "a plateau, or nothing learned at all",
    "overfitting": "the validation worsens while the training improves",
    "class_collapse": "one answer for all: class imbalance, a collapsed embedding or posterior",
    "gradient_vanishing": "a gradient too small to move anything",
    "gradient_exploding": "a gradient far above what it was",
    "data": "inputs, labels, split or sampler",
    "metric": "a metric that is wrong, undefined or means nothing",
    "composition": "terms of the loss: their weights, signs and sum",
    "other": "anything else",
}
"""Kinds of faults that logs are of, with what each means."""
Families = frozenset[str]
Labels = Mapping[str, Families]


def families(words: str) -> Families:
    """The families that a text names.

    Raises:
        ValueError: a word is no family.
    """
    found = frozenset(words.split())
    if unknown := found - FAMILIES.keys():
        raise ValueError(f"no family: {', '.join(sorted(unknown))}")
    return found


def _labels(kinds: Mapping[str, str]) -> Labels:
    return {label: families(words) for label, words in kinds.items()}


NOT_FINITE = "nan divergence lr_too_high gradient_exploding"
RISING = "divergence lr_too_high gradient_exploding"
SPIKES = "lr_too_high gradient_exploding data"
STILL = "not_learning lr_too_low"

RUNMEDIC = _labels(
    {
        "non_finite": f"{NOT_FINITE} data",
        "divergence": f"{RISING} data",
        "loss_spikes": SPIKES,
        "no_learning": f"{STILL} class_collapse data",
        "overfitting": "overfitting",
        "val_below_train": "data",
        "grad_spikes": SPIKES,
        "constant_lr_plateau": STILL,
        "input_bound": "",
        "slow_steps": "",
        "slowdown": "",
        "memory_growth": "",
    }
)
TRAINSPOTTER = _labels(
    {
        "divergence: Diverged (non-finite values)": f"{NOT_FINITE} data",
        "divergence: Diverged (sustained growth)": f"{RISING} data",
        "spikes: Loss spike": SPIKES,
        "plateau: Plateau": STILL,
        "overfitting: Overfitting onset": "overfitting",
        "lr_schedule: No LR warmup detected": "lr_too_high",
        "lr_schedule: LR increased after its peak": "",
        "lr_schedule: LR discontinuity": "",
        "grad_norm: Gradient-norm explosion": SPIKES,
        "grad_norm: Gradient clipping likely saturated": "gradient_exploding",
        "throughput: Throughput regression": "",
        "eval_noise: Eval metric too noisy to rank checkpoints": "metric",
        "loss_floor: Suspiciously low loss early (heuristic)": "data",
    }
)
RUNWISE = _labels(
    {
        "nan": NOT_FINITE,
        "spike": SPIKES,
        "overfit": "overfitting",
        "plateau": STILL,
        "gradient: Vanishing gradients": "gradient_vanishing not_learning",
        "gradient: Gradient explosion": SPIKES,
        "system": "",
    }
)
TRAINING_DOCTOR = _labels(
    {
        "lr_too_high": NOT_FINITE,
        "lr_too_low": STILL,
        "plateau": STILL,
        "overfitting": "overfitting",
        "gradient_instability: nan": NOT_FINITE,
        "gradient_instability: exploding": SPIKES,
        "gradient_instability: vanishing": "gradient_vanishing not_learning",
        "gradient_instability: unstable": SPIKES,
    }
)
TRAINPROOF = _labels(
    {
        "TP-NAN": NOT_FINITE,
        "TP-NAN-GRAD": NOT_FINITE,
        "TP-ZERO-LOSS": "data nan not_learning",
        "TP-ZERO-LOSS-ONSET": "data nan not_learning",
        "TP-FLAT": STILL,
        "TP-DIVERGE": RISING,
        "TP-DEAD-RUN": f"{STILL} data",
        "TP-ZERO-GRAD": "gradient_vanishing not_learning",
        "TP-GRAD-SPIKE": SPIKES,
        "TP-ZERO-LR": STILL,
        "TP-ZERO-LR-PARTIAL": STILL,
        "TP-OVERFIT": "overfitting",
        "TP-STEP-CLIFF": "",
        "TP-LOADER-BOUND": "",
        "TP-THROUGHPUT": "",
        "TP-GPU-UTIL": "",
    }
)
BY_RIVAL: Mapping[str, Labels] = {
    "runmedic": RUNMEDIC,
    "trainspotter": TRAINSPOTTER,
    "runwise": RUNWISE,
    "training-doctor": TRAINING_DOCTOR,
    "trainproof": TRAINPROOF,
}
"""The labels of each tool, all that its version pinned in `constraints.txt` can give for a table."""

OURS = _labels(
    {
        "C301": "composition not_learning",
        "C302": "composition data",
        "C303": "composition not_learning",
        "C304": "composition not_learning",
        "C305": "composition divergence",
        "C306": "composition",
        "C307": "composition lr_too_high",
        "C309": "composition class_collapse not_learning",
        "C310": "not_learning",
        "C311": "composition data gradient_exploding",
        "C313": "composition",
        "C314": "composition not_learning",
        "C315": "composition",
        "C316": "composition",
        "C317": "composition",
        "C318": "composition class_collapse",
        "C319": "composition not_learning",
        "D101": "data class_collapse not_learning",
        "D102": "data",
        "D103": "data class_collapse",
        "D104": "data",
        "D105": "data",
        "D106": "data not_learning gradient_exploding",
        "D107": "data nan",
        "D108": "data not_learning class_collapse",
        "D109": "data not_learning",
        "D111": "data",
        "D112": "not_learning",
        "D113": "not_learning",
        "D114": "data overfitting",
        "D115": "data overfitting metric",
        "E1001": "metric data",
        "E1003": "metric data overfitting",
        "E1005": "metric",
        "E1006": "metric",
        "E1007": "class_collapse not_learning",
        "E1008": "metric",
        "E1009": "metric",
        "E1010": "metric data",
        "E1011": "metric",
        "E1012": "composition metric",
        "E1013": "metric",
        "E1014": "metric nan",
        "E1015": "divergence",
        "E1016": "metric nan",
        "E1017": "not_learning class_collapse",
        "E1018": "metric",
        "E1019": "overfitting data not_learning",
        "E1020": "metric",
        "E1021": "divergence data overfitting",
        "E1022": "other",
        "E1024": "metric data",
        "E1025": "metric",
        "G701": "not_learning gradient_vanishing",
        "G702": "not_learning",
        "G703": "gradient_vanishing",
        "G704": "gradient_vanishing not_learning",
        "G705": RISING,
        "G706": "gradient_vanishing not_learning class_collapse",
        "G707": "gradient_vanishing",
        "G708": "gradient_vanishing not_learning class_collapse",
        "G709": "gradient_vanishing not_learning",
        "G710": "data not_learning",
        "G711": "not_learning",
        "G712": "gradient_vanishing gradient_exploding",
        "G713": "not_learning metric",
        "G715": "class_collapse not_learning",
        "K401": "not_learning class_collapse",
        "K402": "data not_learning",
        "K403": "class_collapse not_learning",
        "K404": "class_collapse not_learning",
        "K405": "not_learning nan",
        "K406": "not_learning",
        "L201": "data not_learning",
        "L202": "data overfitting not_learning",
        "L203": "data",
        "L205": f"data {RISING}",
        "L206": "data not_learning",
        "L207": "data",
        "L208": "data not_learning",
        "N901": NOT_FINITE,
        "N902": "nan gradient_exploding",
        "N904": NOT_FINITE,
        "O601": RISING,
        "O602": STILL,
        "O603": SPIKES,
        "O604": STILL,
        "O605": STILL,
        "O606": STILL,
        "O607": RISING,
        "O608": STILL,
        "O609": STILL,
        "O610": STILL,
        "O611": "not_learning composition",
        "O612": f"{RISING} not_learning",
        "O613": "not_learning gradient_vanishing",
        "O614": "not_learning gradient_vanishing",
        "O616": "not_learning",
        "O617": STILL,
        "O619": "not_learning",
        "O620": "lr_too_high not_learning",
        "O621": "not_learning",
        "O622": RISING,
        "O623": f"{SPIKES} divergence",
        "O624": STILL,
        "P1209": "other",
        "P1210": "other",
        "Q501": "class_collapse composition",
        "Q502": "class_collapse composition",
        "Q503": "divergence",
        "Q504": "class_collapse",
        "R801": "overfitting",
        "R802": "not_learning",
        "R803": "not_learning data",
        "R804": "not_learning",
        "R805": "not_learning metric",
        "R806": "data overfitting",
        "S1101": "metric",
        "S1102": "metric",
    }
)
"""What a code of ours makes plausible, and what a rival's label must name where that code is the truth: so each has the
kinds of its symptoms too. A code that no rule has may be the truth of a planted fault; one that is not here makes
nothing plausible."""


def plausible(tool: str, code: str) -> Families:
    """The kinds that a label makes plausible.

    Args:
        tool: a rival, or `trainctl`.
        code: as the rival calls it.

    Raises:
        KeyError: no such tool, or a label that is not in its table.
    """
    if tool == "trainctl":
        return OURS.get(code, frozenset())
    return BY_RIVAL[tool][code]
