"""Names by which data say what a sample is for, and what each side of a split then does. Knows no format."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

TRAIN, VAL, TEST = "train", "val", "test"
SPLIT_NAMES = {
    **dict.fromkeys(("train", "training", "trn"), TRAIN),
    **dict.fromkeys(("val", "valid", "validation", "validate", "dev", "development"), VAL),
    **dict.fromkeys(("test", "testing", "tst", "eval", "evaluation"), TEST),
}
"""Names that are understood, in lower case."""
MOST_SPELLINGS = 50
"""Different values of a column of which each may be the name of a side."""


def side_of(name: str) -> str | None:
    """`train`, `val` or `test`; None for a name that is not known. Case and spaces around it do not matter."""
    return SPLIT_NAMES.get(name.strip().lower())


def split_column(columns: Mapping[str, Sequence[object]]) -> str | None:
    """The column that says what each row is for: `split`, in any case, or else one whose every value is such a name.

    None where there is none: no column with `train` and another side in it.
    """
    texts = {name: {str(value).strip() for value in values if value is not None} for name, values in columns.items()}
    named = [name for name, found in texts.items() if name.strip().lower() == "split" and found - {""}]
    if named:
        return named[0]
    sides = {name: {side_of(text) for text in found} for name, found in texts.items() if len(found) <= MOST_SPELLINGS}
    fitting = (name for name, found in sides.items() if None not in found and TRAIN in found and len(found) > 1)
    return next(fitting, None)


def column_words(column: str) -> str:
    """That the split stands in a column of another name."""
    return f"the column {column} names the split"


def validating_side(sides: Sequence[str]) -> str | None:
    """The side that validates: the validation split, else the test split; None where the data name neither."""
    present = set(sides)
    return next((side for side in (VAL, TEST) if side in present), None)


def given_words(validating: str, num_train: int, num_val: int, num_kept: int) -> str:
    """One line on a split that is used as the data name it.

    Args:
        validating: of `validating_side`.
        num_train: samples that train.
        num_val: samples that validate.
        num_kept: samples of the test split that do neither.
    """
    said = f"split: as the data name it, {num_train:,} of TRAIN train, {num_val:,} of {validating.upper()} validate"
    if validating == TEST:
        return f"{said} (no VAL is named, so the best epoch is chosen on TEST)"
    return f"{said}; {kept_words(num_kept)}" if num_kept else said


def kept_words(num_kept: int) -> str:
    """What becomes of the test samples that neither train nor validate."""
    return f"{num_kept:,} of TEST are kept out (measured by: trainctl evaluate --split test)"
