"""P1210, E1020, E1025: what the task's own code does in its first steps and its first validation. Pure functions."""

from __future__ import annotations

from collections.abc import Sequence

from trainctl.engine.diagnosis.catalogue import Answer, Cost, Precedence, rule
from trainctl.engine.diagnosis.facts.attempt import AttemptFacts, Failure, Stage
from trainctl.engine.diagnosis.finding import Confidence, Fix, Hit, Severity, Unchecked

MOST_TEXT, MOST_CODE, MOST_NAMES = 160, 80, 8
ADVICE = {
    "Expected more than 1 value per channel": "a BatchNorm needs two samples: larger batches, or GroupNorm",
    "shapes cannot be multiplied": "give the layer as many inputs as it gets, or bring the batch into its shape",
    "zero-dimensional tensor": "one row for each sample in every column of StepOutput",
    "is out of bounds": "labels count from 0 to one less than the network's outputs",
    "through the graph a second time": "detach what is kept from one step to the next",
    "modified by an inplace operation": "detach what is kept from one step to the next",
    "that requires grad": "detach() before numpy()",
    "to numpy": "cpu() before numpy()",
    "dtype": "convert it in `prepare`: float() for inputs, long() for classes",
}
"""What to do about an error that says this."""
SO = "mend it there, and diagnose again"


@rule(
    "P1210",
    "the first steps fail",
    section="model",
    severity=Severity.ERROR,
    precedence=Precedence.MECHANICS,
    cost=Cost.BATCH,
)
def steps_fail(attempt: AttemptFacts) -> Answer:
    """The network, the batches of an epoch or one of the first three steps raise an error: forward pass, loss or
    backward pass. Steps are tried by themselves only where another probe failed at one.

    The last batch of an epoch is tried where it has another size than the others.

    Costs: the training ends before it has begun, or with its first epoch.
    Do: what stands beside the error, at the line of your code that it names.
    Follows from: L203, D107, D111.
    """
    failure = attempt.training
    if failure is None:
        return None
    settings = {"train.drop_last": True} if attempt.stage is Stage.LAST else None
    return Hit(
        severity=Severity.ERROR,
        confidence=Confidence.PROVEN,
        summary=_what(attempt, _said(failure)),
        where=_where(failure),
        why="a run ends there: the error is raised by the task's own code, or by what it calls",
        fix=Fix(_advice(failure, attempt.names), settings),
        figures={"batch_size": attempt.batch_size},
        because=("L203", "D107", "D111"),
    )


def _what(attempt: AttemptFacts, said: str) -> str:
    size = attempt.batch_size
    words = {
        Stage.NETWORK: f"the network cannot be built: {said}",
        Stage.BATCHES: f"the sampler gives no batches: {said}",
        Stage.FIRST: f"the first step, of {size} samples, fails: {said}",
        Stage.LATER: f"the first step succeeds, a later one, of {size} samples, fails: {said}",
        Stage.LAST: f"the last batch of an epoch, of {size} samples, fails: {said}",
    }
    return words[attempt.stage]


@rule(
    "E1020",
    "validation fails",
    section="evaluation",
    severity=Severity.ERROR,
    precedence=Precedence.MECHANICS,
    cost=Cost.BATCH,
)
def validation_fails(attempt: AttemptFacts) -> Answer:
    """A validation of the untrained network raises an error: in a step, in what is computed from all answers (metrics,
    the worst samples), or because train.monitor or schedule.metric names a metric that is not measured.

    All of the split is answered as the loop does it, where half a second suffices. Else the answers of a random part
    stand for all: an error that may be due to that is not checked.

    Costs: the run ends with its first validation, after an epoch of training.
    Do: what stands beside the error, at the line of your code that it names; name a metric that there is.
    Follows from: L203, D107.
    """
    if attempt.training is not None:
        return Unchecked("the first steps fail, see P1210")
    failure, num_answered, num_val = attempt.validation, attempt.num_answered, attempt.num_val
    if failure is not None and attempt.is_doubtful:
        return Unchecked(f"{num_answered:,} of {num_val:,} samples may be too few: {_said(failure)}")
    if failure is not None:
        return Hit(
            severity=Severity.ERROR,
            confidence=Confidence.PROVEN,
            summary=f"a validation fails: {_said(failure)}",
            where=_where(failure),
            why=f"the run ends with its first validation, here after {num_answered:,} of {num_val:,} samples",
            fix=Fix(_advice(failure, [one.name for one in attempt.columns])),
            figures={"answered": num_answered, "validation": num_val},
            because=("L203", "D107"),
        )
    if attempt.metrics is None:
        return Unchecked("nothing validates")
    absent = next(((option, name) for option, name in attempt.asked_for if name not in attempt.metrics), None)
    return None if absent is None else _absent(*absent, attempt.metrics)


def _absent(option: str, name: str, metrics: Sequence[str]) -> Hit:
    return Hit(
        severity=Severity.ERROR,
        confidence=Confidence.PROVEN,
        summary=f"{option}: a validation measures no {name}",
        where=f"it measures {_few(metrics)}",
        why="the run ends with its first validation",
        fix=Fix(f"name one of these, or return {name} from metrics"),
        figures={"metrics": len(metrics)},
    )


@rule(
    "E1025",
    "columns that are not one a sample",
    section="evaluation",
    severity=Severity.WARNING,
    precedence=Precedence.SAMPLER,
    cost=Cost.BATCH,
)
def uneven_columns(attempt: AttemptFacts) -> Answer:
    """A column of `StepOutput` whose first dimension is not the number of samples, in a validation batch.

    A warning where it has one row for a batch, and batches are of different sizes; or where the task gives a loss of
    each sample, by which the worst are found: their words are then taken from other rows of such a column. Else
    information, as a metric may be meant over tokens or boxes.

    Costs: worst samples are shown with the truth and the answer of others, or not kept; a column of one row a batch
    makes a mean over batches, in which a small last batch counts as much as any.
    Do: one row for each sample in every column.
    Follows from: E1020.
    """
    if attempt.training is not None or not attempt.num_rows:
        return Unchecked("no validation batch was answered")
    uneven = [one for one in attempt.columns if one.rows != attempt.num_rows]
    if not uneven:
        return None
    if attempt.num_rows == 1:
        return Unchecked("one sample validates")
    is_mean = attempt.is_uneven and any(one.rows == 1 for one in uneven)
    one = next((one for one in uneven if one.rows == 1), uneven[0])
    return Hit(
        severity=Severity.WARNING if is_mean or attempt.keeps_worst else Severity.INFO,
        confidence=Confidence.PROVEN,
        summary=f"the column {one.name} is a number, for {attempt.num_rows} samples"
        if one.is_number
        else f"the column {one.name} has {one.rows} row{'s' * (one.rows != 1)} for {attempt.num_rows} samples",
        where=f"a validation batch; columns of another length: {_few([one.name for one in uneven])}",
        why="a mean over such rows is one over batches, in which the smaller last batch counts as much as any"
        if is_mean
        else "the worst samples are found by their row, and get the words of other rows of this column"
        if attempt.keeps_worst
        else "metrics are then over these rows; what belongs to a sample is not known",
        fix=Fix("one row for each sample in every column of StepOutput"),
        figures={"rows": one.rows, "samples": attempt.num_rows},
        because=("E1020",),
    )


def _said(failure: Failure) -> str:
    text = failure.text if len(failure.text) <= MOST_TEXT else f"{failure.text[:MOST_TEXT]}…"
    return failure.kind if text in ("", failure.kind) else f"{failure.kind}: {text}"


def _where(failure: Failure) -> str:
    code = failure.code if len(failure.code) <= MOST_CODE else f"{failure.code[:MOST_CODE]}…"
    if not failure.place:
        return "not in a file of the task"
    return f"{failure.place}: {code}" if code else failure.place


def _advice(failure: Failure, names: Sequence[str]) -> str:
    if failure.kind == "KeyError" and names:
        return f"name one of those that there are: {_few(names)}"
    return next((advice for words, advice in ADVICE.items() if words in failure.text), SO)


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:MOST_NAMES]) + (", …" if len(names) > MOST_NAMES else "")
