"""What a name means by the names, rows and values beside it: classes of a score, figures of a policy or of rivals, the
gradient, and which bare names are of the training. Knows no format and no rule.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from trainctl.engine.diagnosis.logs import vocabulary
from trainctl.engine.diagnosis.logs.bare_splits import DIRECTED, FEWEST
from trainctl.engine.diagnosis.logs.names import TEST, TRAIN, VAL, Kind, Meaning, meaning_of, words_of
from trainctl.engine.diagnosis.logs.table import Column, Floats, Ints, LogTable

_LOSSES = frozenset({Kind.TOTAL, Kind.TERM})
_METRICS = frozenset({Kind.RATE, Kind.CORRELATION, Kind.SCORE, Kind.ERROR})
_OF_BATCHES = _LOSSES | _METRICS | {Kind.ENTROPY, Kind.MAX_POSTERIOR}
_OF_POLICIES = frozenset({Kind.REWARD, Kind.KL, Kind.CLIP_FRACTION, Kind.EXPLAINED_VARIANCE})
_POLICY = frozenset({"policy", "pi", "pg", "surrogate", "surr", "actor"})
_DIVERGENCE = frozenset({"kl", "kld", "loss", "divergence"})
_GRADIENT = frozenset({"grad", "gradient"})
_SAME = {"acc": "accuracy", "ac": "accuracy", "ppl": "perplexity", "err": "error"}
_TAIL = re.compile(r"[./_-]")
_SET = re.compile(r"validation_(\d+)-")
CLASSES, MANY_CLASSES = 3, 5
"""Other classes beside one that is called like an error, and like a part of the training."""
RARELY = 4
"""Times that a bare figure is told for each time of one that says `train`, from which on it is the training's too."""
LETTERS = 3
"""Names of a letter each, from which on one may be the sum of the others."""
TOGETHER = 0.9
"""Share of a figure's rows that another one has too, from which on they are logged at once."""


def classes_of_scores(columns: Sequence[Column], found: list[Meaning]) -> list[Meaning]:
    """Of `IoU.car`, `IoU.road`, `IoU.error` ... each is the score of a class, whatever the class is called."""
    heads = [_head(column.name) for column in columns]
    keys = [(column.split, head) for column, (head, _) in zip(columns, heads, strict=True)]
    tails = [set(words_of(tail)) for _, tail in heads]
    parts = set(vocabulary.SPLIT_OF)
    no_classes = parts | vocabulary.AVERAGES | vocabulary.NO_CLASSES
    others = Counter(key for key, tail in zip(keys, tails, strict=True) if not tail & no_classes)
    rates = Counter(key for key, one in zip(keys, found, strict=True) if one.kind is Kind.RATE)
    result = list(found)
    for index, (key, tail) in enumerate(zip(keys, tails, strict=True)):
        is_one_of_many = others[key] >= MANY_CLASSES if tail & parts else rates[key] >= CLASSES
        if key[1] and is_one_of_many and not tail & vocabulary.NO_CLASSES:
            whole = meaning_of(key[1], columns[index].split)
            result[index] = replace(whole, words=whole.words | tail) if whole.kind is Kind.RATE else found[index]
    return result


def _head(name: str) -> tuple[str, str]:
    """The score that a name begins with and what follows; empty: it begins with none."""
    for mark in _TAIL.finditer(name):
        words = words_of(name[: mark.start()])
        if words and words[-1] in vocabulary.HEADS:
            return name[: mark.start()], name[mark.end() :]
    return "", ""


def by_company(columns: Sequence[Column], found: list[Meaning]) -> list[Meaning]:
    """The meanings, where other names or the values decide what a name is."""
    found = _sets_by_number(columns, _returns(columns, _letters(columns, found)))
    found = _correlations(columns, _lone(columns, found))
    if any(meaning.kind in _OF_POLICIES or _is_of_policy(meaning) for meaning in found):
        found = [_of_policy(meaning) for meaning in found]
    if any(_is_of_rival(meaning) for meaning in found) and not any(one.kind is Kind.TOTAL for one in found):
        found = [_of_rivals(meaning) for meaning in found]
    return found


def _lone(columns: Sequence[Column], found: list[Meaning]) -> list[Meaning]:
    """What a name is where no better one is there: `learn`, `Score` and `Grad`."""
    kinds = {meaning.kind for meaning in found}
    result = list(found)
    for index, (column, meaning) in enumerate(zip(columns, found, strict=True)):
        values = column.values[np.isfinite(column.values)]
        is_learned = meaning.kind is Kind.OTHER and meaning.split == TRAIN and not meaning.words and not meaning.part
        is_score = meaning.kind is Kind.SCORE and meaning.words <= {"score"} and meaning.split in ("", TRAIN)
        if meaning.kind is Kind.OTHER and meaning.words <= _GRADIENT and meaning.words and Kind.GRAD_NORM not in kinds:
            kind = Kind.GRAD_NORM if len(values) and values.min() >= 0 else Kind.OTHER
        elif is_learned and not kinds & _LOSSES:
            kind = Kind.TOTAL if _falls(values) else Kind.OTHER
        elif is_score and not kinds & (_LOSSES | _OF_POLICIES | _METRICS - {Kind.SCORE}):
            kind = Kind.TOTAL if _falls(values) and values.min() >= 0 else Kind.SCORE
        else:
            continue
        result[index] = replace(meaning, kind=kind)
    return result


def _letters(columns: Sequence[Column], found: list[Meaning]) -> list[Meaning]:
    """Of `B: 5.5 | C: 3.7 | M: 6.9 | T: 16.1` the one that is the sum of all others in every row is the total loss."""
    at = [index for index, one in enumerate(columns) if len(one.name) == 1 and one.name.isupper()]
    known = {one.kind for one in found}
    if len(at) < LETTERS or known & _LOSSES or any(found[index].kind is not Kind.OTHER for index in at):
        return found
    told = [columns[index] for index in at]
    if len(told[0].rows) < FEWEST or any(not np.array_equal(one.rows, told[0].rows) for one in told):
        return found
    values = np.stack([one.values for one in told])
    slack = np.sum([one.half_units for one in told], axis=0) + 1e-6 * np.abs(values).max(0)
    sums = [bool((np.abs(2 * row - values.sum(0)) <= slack).all()) for row in values]
    if sum(sums) != 1:
        return found
    result = list(found)
    for index, is_sum in zip(at, sums, strict=True):
        letter = columns[index].name.lower()
        words = frozenset({"loss"} if is_sum else {"loss", letter})
        kind, term = (Kind.TOTAL, "") if is_sum else (Kind.TERM, letter)
        result[index] = replace(found[index], kind=kind, words=words, term=term)
    return result


def _returns(columns: Sequence[Column], found: list[Meaning]) -> list[Meaning]:
    """`mean` beside `median`, `stdev` and the episodes is what these earned, as evaluations of ChainerRL write it."""
    names = {column.name for column in columns}
    if not vocabulary.SUMMARY_OF_RETURNS.issubset(names) or "episodes" not in names:
        return found
    return [
        replace(one, kind=Kind.REWARD, words=frozenset({"reward"})) if column.name == "mean" else one
        for column, one in zip(columns, found, strict=True)
    ]


def _sets_by_number(columns: Sequence[Column], found: list[Meaning]) -> list[Meaning]:
    """Of `validation_0-auc` and `validation_1-auc`, as XGBoost calls the sets it is given, the first is the training's,
    where nothing else is.
    """
    sets = [match[1] if (match := _SET.match(column.name)) else "" for column in columns]
    if not {"0", "1"} <= set(sets) or any(one.split == TRAIN for one in found):
        return found
    is_one = set(sets) <= {"", "0", "1"}
    result: list[Meaning] = []
    for number, one in zip(sets, found, strict=True):
        part = "" if number == "0" or (number and is_one) else one.part
        result.append(replace(one, split=TRAIN if number == "0" else one.split, part=part))
    return result


def _correlations(columns: Sequence[Column], found: list[Meaning]) -> list[Meaning]:
    """`rho` is a correlation where it varies within its bounds and is told with a metric; else it is a setting."""
    measured = _rows([c for c, one in zip(columns, found, strict=True) if one.kind in _METRICS])
    result = list(found)
    for index, (column, one) in enumerate(zip(columns, found, strict=True)):
        if one.kind is Kind.OTHER and one.words and one.words <= {"rho"} and len(column.values) >= FEWEST:
            is_bounded = bool((np.abs(column.values) <= 1).all()) and np.ptp(column.values) > 0
            if is_bounded and np.isin(column.rows, measured).mean() >= TOGETHER:
                result[index] = replace(one, kind=Kind.CORRELATION)
    return result


def _falls(values: Floats) -> bool:
    half = len(values) // 2
    return len(values) >= FEWEST and bool((values[half:] < np.median(values[:half])).mean() >= DIRECTED)


def _is_of_policy(meaning: Meaning) -> bool:
    return meaning.kind is Kind.TERM and bool(meaning.words & _POLICY)


def _of_policy(meaning: Meaning) -> Meaning:
    """Entropy and divergence of a policy are no posteriors' and no loss's: the one falls, the other is estimated."""
    if meaning.kind is Kind.ENTROPY and meaning.words <= {"entropy"}:
        return replace(meaning, kind=Kind.OTHER)
    is_divergence = meaning.kind is Kind.TERM and meaning.words <= _DIVERGENCE and bool(meaning.words & {"kl", "kld"})
    return replace(meaning, kind=Kind.KL, term="") if is_divergence else meaning


def _is_of_rival(meaning: Meaning) -> bool:
    return meaning.kind is Kind.TERM and bool(meaning.words & (vocabulary.RIVALS | {"d", "dis"}))


def _of_rivals(meaning: Meaning) -> Meaning:
    """Where only rivals' losses are logged, a bare accuracy is that of the one which tells true from false."""
    is_rate = meaning.kind is Kind.RATE and not meaning.split and meaning.words <= vocabulary.TOLD_APART
    return replace(meaning, kind=Kind.OTHER) if is_rate else meaning


def of_training(columns: Sequence[Column], found: list[Meaning]) -> list[Meaning]:
    """The meanings, where bare names are of the training: `accuracy` beside `val_accuracy`, and what is logged in the
    rows of the training's bare `loss` and in none of a validation.

    A metric in rows of its own (as trainers of detectors log them), beside `train_loss`, or in one row with a
    validation that has it not, remains bare: it may be of either.
    """
    pairs = list(zip(columns, found, strict=True))
    held = {_key(one) for one in found if one.split in (VAL, TEST)}
    often = {_key(one): len(column.values) for column, one in pairs if one.split == TRAIN}
    twins = [
        one.kind in _METRICS and not one.split and _key(one) in held and _is_told_often(column, often.get(_key(one), 0))
        for column, one in pairs
    ]
    is_loss_told = any(one.kind in _LOSSES and one.split == TRAIN for one in found)
    has_twin = any(not one.split and one.kind in _LOSSES and _key(one) in held for one in found)
    losses = _bare_losses(columns, found, is_any_enough=has_twin)
    rows = max((column.rows for column in losses), key=len, default=np.empty(0, np.int64))
    if is_loss_told or len(rows) < FEWEST:
        return [replace(one, split=TRAIN) if is_twin else one for one, is_twin in zip(found, twins, strict=True)]
    held_rows = _rows([column for column, one in pairs if one.split in (VAL, TEST)])
    result: list[Meaning] = []
    for (column, one), is_twin in zip(pairs, twins, strict=True):
        is_beside = not one.split and one.kind in _OF_BATCHES and np.isin(column.rows, rows).mean() >= TOGETHER
        if is_beside and one.kind in _METRICS:
            is_as_often = np.isin(rows, column.rows).mean() >= TOGETHER
            is_beside = bool(is_as_often) and not np.isin(column.rows, held_rows).any()
        result.append(replace(one, split=TRAIN) if is_twin or is_beside else one)
    return result


def _is_told_often(column: Column, of_training: int) -> bool:
    """Whether a bare figure has a course of its own, beside so many values of one that says `train`."""
    return len(column.values) >= max(FEWEST, RARELY * of_training)


def _bare_losses(columns: Sequence[Column], found: list[Meaning], *, is_any_enough: bool) -> list[Column]:
    """The totals that name no part; where there is no loss at all the perplexities, and terms if any is enough."""
    bare = [(column, one) for column, one in zip(columns, found, strict=True) if not one.split]
    totals = [column for column, one in bare if one.kind is Kind.TOTAL]
    terms = [column for column, one in bare if one.kind is Kind.TERM]
    if totals or terms:
        return totals or (terms if is_any_enough else [])
    return [column for column, one in bare if one.kind is Kind.ERROR and one.words & vocabulary.PERPLEXITY]


def with_counted_epochs(table: LogTable, found: Sequence[Meaning]) -> LogTable:
    """The table with its epochs counted, where it names neither epoch nor step and each row of its training loss has a
    validation too.

    Not of printed text, which may be a part of what was printed.
    """
    is_placed = bool(np.isfinite(table.epochs).any() or np.isfinite(table.steps).any())
    if is_placed or table.format == "text":
        return table
    pairs = list(zip(table.columns, found, strict=True))
    trained = [column for column, one in pairs if one.kind is Kind.TOTAL and one.split in (TRAIN, "")]
    held = [column for column, one in pairs if one.kind in _LOSSES | _METRICS and one.split == VAL]
    if not trained or not held:
        return table
    rows, measured = np.unique(max(trained, key=lambda column: len(column.rows)).rows), _rows(held)
    if len(rows) < 2 or np.isin(rows, measured).mean() < TOGETHER or np.isin(measured, rows).mean() < TOGETHER:
        return table
    epochs = np.full(table.num_rows, np.nan)
    epochs[rows] = np.arange(1, len(rows) + 1)
    return replace(table, epochs=epochs)


def _rows(columns: Sequence[Column]) -> Ints:
    return np.unique(np.concatenate([column.rows for column in columns])) if columns else np.empty(0, np.int64)


def _key(meaning: Meaning) -> tuple[Kind, frozenset[str]]:
    return meaning.kind, frozenset(_SAME.get(word, word) for word in meaning.words)
