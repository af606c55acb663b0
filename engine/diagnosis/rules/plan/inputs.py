"""D106, D108: whether the input is of a size, and of a kind, that the first layer can use. Pure functions of facts."""

from __future__ import annotations

import math

from trainctl.engine.diagnosis.catalogue import Answer, Cost, Precedence, rule
from trainctl.engine.diagnosis.facts.data import DataFacts, TensorFacts
from trainctl.engine.diagnosis.facts.network import BatchFacts
from trainctl.engine.diagnosis.facts.watched.layers import EntryFacts
from trainctl.engine.diagnosis.finding import Confidence, Fix, Hit, Severity, Unchecked

SPARSE = 0.95
"""Share of zeros from which on an input is a table of what is present, whose columns are small by nature."""
RARE = 0.75
"""The same among the columns that vary: those that never do may stand for what these data do not have."""
CONSTANT_SHARE, WORTH_A_WORD = 0.5, 0.1
"""Of the columns of a tensor, from which on a source may not have been read; and from which on it is worth a word."""
TINY = 1e-300
STANDARDISE = Fix("standardise it by the training split: (x − mean) / std of each feature or channel")


@rule(
    "D106",
    "input not scaled for the first layer",
    section="model",
    severity=Severity.WARNING,
    precedence=Precedence.DATA,
    cost=Cost.BATCH,
)
def unscaled_input(batch: BatchFacts) -> Answer:
    """A layer that reads the data, nothing trained before it, to which they are more than 20 or less than .02 in size;
    or whose mean is 15 times what tells the samples apart; or of whose variance one column makes 99 %.

    The size is judged by what the layer makes of it: the deviation over the samples of what it gives, in terms of the
    norm of its weights. It is 1 for standardised input whatever the width, .1 to .3 for pictures from 0 to 1, 60 for
    pictures from 0 to 255. Silent where bringing the input to 1 leaves the results as they are, as a norm behind the
    layer does; before tokens that are looked up and behind a norm there is no such layer. Nothing small is said of an
    input that is 95 % zeros.

    Costs: at the usual rates a training that diverges (too large) or learns next to nothing (too small); of many
    features the largest alone is learnt.
    Do: standardise by the training split, or begin the network with a norm.
    Follows from: D107, D108.
    """
    if batch.layers is None:
        return Unchecked("nothing looked on while the step was made")
    if not batch.layers.entries:
        return Unchecked(
            "no layer is known that reads the data as they are: tokens, a norm, or operations of one's own"
        )
    hits = [hit for entry in batch.layers.entries for hit in (_size(entry), _offset(entry), _column(entry)) if hit]
    return max(hits, key=lambda hit: float(hit.figures["excess"]), default=None)


def _where(entry: EntryFacts) -> str:
    return f"{entry.name} ({entry.kind} of {entry.num_columns} inputs), first batch of {entry.num_samples}"


def _size(entry: EntryFacts) -> Hit | None:
    is_small = entry.is_small and entry.zeros < SPARSE
    if entry.is_scale_free or not (entry.is_large or is_small):
        return None
    why = (
        "the outputs start as many times too large, and so do gradients: steps overshoot or saturate"
        if entry.is_large
        else "what tells the samples apart vanishes beside the biases, and the gradient of the weights with it"
    )
    return Hit(
        severity=Severity.WARNING,
        confidence=Confidence.LIKELY,
        summary=f"the input is {entry.scale:.2g} in size for {entry.name}, about 1 is meant",
        where=_where(entry),
        why=f"what it gives differs by {entry.spread:.2g} from sample to sample; {why}",
        fix=STANDARDISE,
        figures={"scale": entry.scale, "spread": entry.spread, "excess": abs(math.log(max(entry.scale, TINY)))},
        because=("D107", "D108"),
    )


def _offset(entry: EntryFacts) -> Hit | None:
    if entry.is_scale_free or not entry.is_far:
        return None
    return Hit(
        severity=Severity.WARNING,
        confidence=Confidence.LIKELY,
        summary=f"what all samples share is {entry.offset:.3g} times what tells them apart",
        where=_where(entry),
        why="the first layer sees nearly the same in every sample: its units are on, or off, for all of them",
        fix=STANDARDISE,
        figures={"offset": entry.offset, "scale": entry.scale, "excess": math.log(entry.offset)},
        because=("D107", "D108"),
    )


def _column(entry: EntryFacts) -> Hit | None:
    if not entry.has_drowning_column:
        return None
    return Hit(
        severity=Severity.WARNING,
        confidence=Confidence.LIKELY,
        summary=f"input {entry.largest_column} of {entry.num_columns} is {entry.largest:.1%} of what {entry.name} gets",
        where=f"{_where(entry)}; it varies {entry.largest_ratio:.3g} times as much as the median column",
        why="the others are drowned: the network learns from this column, and from the rest many times more slowly",
        fix=STANDARDISE,
        figures={
            "share": entry.largest,
            "column": entry.largest_column,
            "ratio": entry.largest_ratio,
            "excess": math.log(entry.largest_ratio),
        },
        because=("D107",),
    )


@rule(
    "D108",
    "constant input",
    section="data",
    severity=Severity.WARNING,
    precedence=Precedence.DATA,
    cost=Cost.DATA,
)
def constant_input(data: DataFacts, batch: BatchFacts | None = None) -> Answer:
    """A tensor of the training split that is the same for every sample; or more than half of the columns of one that
    are, unless the others are 75 % zeros. From a tenth of the columns on it is an information. At least 8 samples;
    indices and masks are not asked. The same of more than half of what the first layers get, where the data vary: then
    it is lost on the way, and is a warning.

    Costs: nothing can be learnt from it, and at use it may not be constant.
    Do: look at the loader: a source that was not read, a field that was overwritten, one file read for all.
    Follows from: D107.
    """
    tensors = [tensor for tensor in data.train.tensors if tensor.num_columns is not None]
    if not tensors:
        return Unchecked(data.missing or "the data has no tensors")
    hits = [hit for tensor in tensors if (hit := _constant(tensor)) is not None]
    entries = () if batch is None or batch.layers is None else batch.layers.entries
    if not any(hit.severity is Severity.WARNING for hit in hits):
        hits += [_lost(entry) for entry in entries if entry.constant > CONSTANT_SHARE and entry.varying_zeros < RARE]
    return min(hits, key=lambda hit: tuple(Severity).index(hit.severity), default=None)


def _lost(entry: EntryFacts) -> Hit:
    return Hit(
        severity=Severity.WARNING,
        confidence=Confidence.LIKELY,
        summary=f"{entry.constant:.0%} of the inputs of {entry.name} are the same for every sample",
        where=f"{entry.num_samples} samples of a batch, {entry.num_columns} inputs; the data themselves vary",
        why="what tells the samples apart is lost between the data and the network, and nothing can be learnt from it",
        fix=Fix("look at what is done to a batch: a mask, a product with 0, a slice, a field that is overwritten"),
        figures={"columns": entry.num_columns, "share": entry.constant},
        because=("D107",),
    )


def _constant(tensor: TensorFacts) -> Hit | None:
    num_columns, constant = tensor.num_columns or 0, tensor.num_constant or 0
    share = constant / num_columns if num_columns else 0.0
    is_sparse = (tensor.zeros or 0.0) >= RARE
    if share < WORTH_A_WORD or is_sparse:
        return None
    is_grave = share > CONSTANT_SHARE
    what = (
        "is the same for every sample" if share == 1 else f"has {constant:,} of {num_columns:,} columns that never vary"
    )
    return Hit(
        severity=Severity.WARNING if is_grave else Severity.INFO,
        confidence=Confidence.PROVEN,
        summary=f"{tensor.name} {what}",
        where=f"train, {tensor.dtype} {'×'.join(map(str, tensor.shape[1:])) or 'scalar'}, "
        f"{tensor.shape[0]:,} samples looked at",
        why="nothing can be learnt from what does not vary; a source may not have been read",
        fix=Fix("look at the loader: a source that was not read, a field that was overwritten, one file read for all"),
        figures={"columns": num_columns, "constant": constant, "share": share},
        because=("D107",),
    )
