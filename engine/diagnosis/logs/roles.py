"""What the names of a log mean beside each other, and what the user says that they mean.

Several names tell what one alone does not: `loss_t` beside `loss_v` is of training, `eval_a_loss` beside `eval_b_loss`
is the loss on one of several evaluation sets. Knows no format and no rule.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from enum import StrEnum

import numpy as np

from trainctl.engine.diagnosis.logs.bare_splits import with_bare_splits
from trainctl.engine.diagnosis.logs.beside import by_company, classes_of_scores, of_training
from trainctl.engine.diagnosis.logs.names import TEST, TRAIN, VAL, Kind, Meaning, meaning_of, words_of
from trainctl.engine.diagnosis.logs.table import Column, LogTable
from trainctl.engine.errors import UserError

Roles = Sequence[tuple["Role", str]]


class Role(StrEnum):
    """What a user may say that a name of a log is."""

    TRAIN = "train"
    VAL = "val"
    TEST = "test"
    LR = "lr"
    GRAD_NORM = "grad_norm"
    STEP = "step"
    EPOCH = "epoch"
    IGNORE = "ignore"


_SPLITS = {Role.TRAIN: TRAIN, Role.VAL: VAL, Role.TEST: TEST}
_KINDS = {Role.LR: Kind.LR, Role.GRAD_NORM: Kind.GRAD_NORM}
_SHORT = {"t": TRAIN, "v": VAL}
_JUDGED_BY_SIZE = frozenset({Kind.TOTAL, Kind.TERM, Kind.RATE, Kind.ERROR, Kind.SCORE})
_DETECTION = frozenset({"box", "obj", "cls", "dfl", "seg", "giou", "pose", "kobj"})
"""Names of the terms of a detector's loss where the word `loss` is left out."""
VALIDATIONS = 3
"""Times that a test must be told to be the validation of a training that has no other."""
_RIVALS = frozenset({"d", "g", "cycle", "idt"})
"""So too of networks that play against each other."""


def parse_roles(text: str) -> Roles:
    """The roles of `train=loss_t,val=loss_v,lr=…`; a role may come again.

    Raises:
        UserError: no role of that name, or no name.
    """
    roles: list[tuple[Role, str]] = []
    for part in text.split(","):
        role, mark, name = part.strip().partition("=")
        if not mark or not name.strip() or role.strip() not in set(Role):
            raise UserError(f"--columns {part.strip() or text}: not ROLE=NAME", f"roles: {', '.join(Role)}")
        roles.append((Role(role.strip()), name.strip()))
    return roles


def with_roles(table: LogTable, roles: Roles) -> LogTable:
    """The table without the columns to be ignored, and with steps and epochs from those that are said to hold them.

    Raises:
        UserError: a name that the log does not have.
    """
    for role, name in roles:
        column = _find(table, name)
        if column is None and not (role in (Role.STEP, Role.EPOCH, Role.IGNORE) and _is_place(table, name)):
            raise _unknown(table, name)
        if role is Role.IGNORE:
            table = _without(table, name, column)
        elif column is not None and role is Role.STEP:
            table = replace(_without(table, name, column), steps=column.at_rows(table.num_rows), step_name=name)
        elif column is not None and role is Role.EPOCH:
            table = replace(_without(table, name, column), epochs=column.at_rows(table.num_rows), epoch_name=name)
    return table


def meanings(columns: Sequence[Column], roles: Roles = ()) -> list[Meaning]:
    """What each column means, beside the others and by what the user says."""
    found = classes_of_scores(columns, [meaning_of(column.name, column.split) for column in columns])
    found = with_bare_splits(columns, _short_splits(columns, found))
    found = by_company(columns, _bare_terms(columns, found))
    found = _tested_while_training(columns, _evaluation_sets(found))
    found = _main_course(columns, found)
    for role, name in roles:
        found = [
            _as_said(meaning, role, _is_called(column, name)) for column, meaning in zip(columns, found, strict=True)
        ]
    return of_training(columns, found)


def _as_said(meaning: Meaning, role: Role, is_meant: bool) -> Meaning:
    if role in _KINDS:
        kind = _KINDS[role]
        if is_meant:
            return replace(meaning, kind=kind, term="")
        return replace(meaning, kind=Kind.OTHER) if meaning.kind is kind else meaning
    if role not in _SPLITS:
        return meaning
    split = _SPLITS[role]
    if is_meant:
        is_metric = meaning.kind in _JUDGED_BY_SIZE - {Kind.TERM}
        return replace(meaning, kind=meaning.kind if is_metric else Kind.TOTAL, split=split, term="", part="")
    is_rival = meaning.kind is Kind.TOTAL and meaning.split in ((split, "") if split == TRAIN else (split,))
    return replace(meaning, kind=Kind.OTHER) if is_rival else meaning


def _short_splits(columns: Sequence[Column], found: list[Meaning]) -> list[Meaning]:
    """`loss_t` and `loss_v`, `T_acc` and `V_acc`, `loss_ct` and `loss_cv` are of training and validation."""
    stems: dict[tuple[str, ...], dict[str, int]] = {}
    for index, (column, meaning) in enumerate(zip(columns, found, strict=True)):
        words = words_of(column.name)
        for at in {0, len(words) - 1} if not meaning.split and len(words) > 1 else set[int]():
            short, word = words[at][-1], words[at][:-1]
            if short in _SHORT and len(word) <= 1:
                stems.setdefault((str(at > 0), *words[:at], word, *words[at + 1 :]), {})[short] = index
    result = list(found)
    for stem, pair in stems.items():
        if len(pair) == 2 and {found[index].kind for index in pair.values()} & _JUDGED_BY_SIZE:
            for short, index in pair.items():
                plain = meaning_of(" ".join(word for word in stem[1:] if word))
                result[index] = replace(plain, split=_SHORT[short])
    return result


def _bare_terms(columns: Sequence[Column], found: list[Meaning]) -> list[Meaning]:
    """Terms of a detector's or of two rivals' losses that are told without the word `loss`."""
    first = [next(iter(words_of(column.name)), "") if "(" not in column.name else "" for column in columns]
    detected, rivals = set(first) & _DETECTION, set(first) & _RIVALS
    bare = (detected if len(detected) > 1 else set()) | (rivals if {"d", "g"} <= rivals else set())
    return [
        replace(meaning, kind=Kind.TERM, term=" ".join(words_of(column.name)))
        if word in bare and meaning.kind is Kind.OTHER and len(words_of(column.name)) <= 2
        else meaning
        for word, column, meaning in zip(first, columns, found, strict=True)
    ]


def _evaluation_sets(found: list[Meaning]) -> list[Meaning]:
    """A validation's term that training has not, where training has a total alone: the total of an evaluation set."""
    trained = [meaning for meaning in found if meaning.split in (TRAIN, "")]
    has_total = any(meaning.kind is Kind.TOTAL for meaning in trained)
    terms = {meaning.term for meaning in trained if meaning.kind is Kind.TERM}
    if not has_total or terms:
        return found
    return [
        replace(meaning, kind=Kind.TOTAL, term="", part=meaning.term)
        if meaning.kind is Kind.TERM and meaning.split in (VAL, TEST) and "loss" in meaning.words
        else meaning
        for meaning in found
    ]


def _tested_while_training(columns: Sequence[Column], found: list[Meaning]) -> list[Meaning]:
    """A loss of the test that is told again and again, where no validation is, is the validation."""
    losses = [index for index, one in enumerate(found) if one.kind in (Kind.TOTAL, Kind.TERM) and one.split == TEST]
    has_validation = any(meaning.split == VAL for meaning in found)
    if has_validation or max((len(columns[index].values) for index in losses), default=0) < VALIDATIONS:
        return found
    return [replace(meaning, split=VAL) if meaning.split == TEST else meaning for meaning in found]


def _main_course(columns: Sequence[Column], found: list[Meaning]) -> list[Meaning]:
    """A total that names no part is of training where one that does is logged far less often, as at evaluations."""
    sizes: Mapping[str, int] = {
        split: max((len(c.values) for c, m in zip(columns, found, strict=True) if _is_total(m, split)), default=0)
        for split in (TRAIN, "")
    }
    has_terms = any(meaning.kind is Kind.TERM and not meaning.split for meaning in found)
    if has_terms or not 0 < 4 * sizes[TRAIN] <= sizes[""]:
        return found
    return [replace(meaning, split=TRAIN) if _is_total(meaning, "") else meaning for meaning in found]


def _is_total(meaning: Meaning, split: str) -> bool:
    return meaning.kind is Kind.TOTAL and meaning.split == split


def _is_called(column: Column, name: str) -> bool:
    return name in (column.name, column.full_name)


def _is_place(table: LogTable, name: str) -> bool:
    return name in (table.step_name or "step", table.epoch_name or "epoch")


def _find(table: LogTable, name: str) -> Column | None:
    return next((column for column in table.columns if _is_called(column, name)), None)


def _unknown(table: LogTable, name: str) -> UserError:
    names = [name for column in table.columns for name in dict.fromkeys((column.name, column.full_name))]
    nearest = difflib.get_close_matches(name, names, n=1, cutoff=0.0)
    return UserError(f"{table.source} has no {name}", f"the nearest name is {nearest[0]}" if nearest else "")


def _without(table: LogTable, name: str, column: Column | None) -> LogTable:
    if column is None:
        unknown = np.full(table.num_rows, np.nan)
        is_step = name == (table.step_name or "step")
        return replace(table, steps=unknown) if is_step else replace(table, epochs=unknown)
    return replace(table, columns=tuple(one for one in table.columns if not _is_called(one, name)))
