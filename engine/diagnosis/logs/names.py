"""What the names of a log mean: which part of the training they speak of, and what kind of figure they are.

Goes by words only; a name it does not understand has the kind `OTHER` and is judged by no rule.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

from trainctl.engine.diagnosis.logs import vocabulary
from trainctl.engine.diagnosis.logs.vocabulary import SPLITS, TEST, TRAIN, VAL

__all__ = [
    "SPLITS",
    "TEST",
    "TRAIN",
    "VAL",
    "Kind",
    "Meaning",
    "is_plain_place",
    "meaning_of",
    "some_of",
    "step_unit",
    "words_of",
]

MOST_NAMES = 1 << 16
"""Names that are remembered."""
MOST_SAID = 4


class Kind(StrEnum):
    """Kind of a figure."""

    TOTAL = "total loss"
    TERM = "loss term"
    WEIGHT = "weight of a loss term"
    LR = "learning rate"
    GRAD_NORM = "gradient norm"
    RATE = "rate"
    """A share of something, 0 … 1 or in percent: accuracy, F1, IoU."""
    CORRELATION = "correlation"
    """−1 … 1."""
    ENTROPY = "entropy of posteriors"
    MAX_POSTERIOR = "largest posterior"
    KL = "change of the policy"
    """Divergence between a policy before and after an update, estimated: `approx_kl`."""
    CLIP_FRACTION = "share of clipped samples"
    EXPLAINED_VARIANCE = "explained variance"
    """1 less the share of the returns' variance that a value function leaves; at most 1."""
    REWARD = "reward"
    """What a policy earns: should rise, without bounds."""
    SCORE = "score"
    """Should rise, without known bounds: PSNR, BLEU; an objective or likelihood, which may be negative."""
    ERROR = "error rate"
    """Should fall, at 0 or above: error, WER, CER, perplexity. May be above 1 or 100 %."""
    LOSS_SCALE = "loss scale"
    """What half precision multiplies the loss by."""
    UPDATE_RATIO = "update ratio"
    """Norm of an update relative to the weights."""
    STEP = "step"
    EPOCH = "epoch"
    TIME = "time and speed"
    OTHER = "other"


@dataclass(frozen=True)
class Meaning:
    """What a name means."""

    kind: Kind
    split: str
    """`train`, `val`, `test`, or empty where the name does not say."""
    words: frozenset[str]
    """The name's words without those that only say how it was averaged."""
    term: str = ""
    """Of a term or weight: the name of the term, its words joined by spaces."""
    part: str = ""
    """Of several evaluation sets: which one, as in `valid_1`, `dev-clean` or `eval_a_loss`; empty: there is one."""


@lru_cache(maxsize=MOST_NAMES)
def meaning_of(name: str, split: str = "") -> Meaning:
    """What a name means.

    Args:
        name: as the log has it.
        split: of the heading above it; used where the name itself names none.
    """
    if name.endswith(("__MIN", "__MAX")):
        return Meaning(Kind.OTHER, split, frozenset())
    name = name.rpartition(" - ")[2]  # a chart of W&B is exported with the name of the run before
    all_words = words_of(name)
    at = next((index for index in range(len(all_words)) if _is_split(all_words, index)), None)
    own, part = split, ""
    if at is not None:
        own = vocabulary.SPLIT_OF[all_words[at]]
        if all_words[at + 1 : at + 2] and all_words[at + 1].isdecimal():  # valid_1
            part = all_words.pop(at + 1)
    if name.count("/") >= vocabulary.DEEP:
        all_words = words_of(name.rpartition("/")[2])
    is_asked = at is None and not vocabulary.ASKED.isdisjoint(all_words)
    left_out = vocabulary.FILLERS if is_asked else vocabulary.FILLERS | set(vocabulary.SPLIT_OF)
    words = [word for word in all_words if word not in left_out]
    place = _place(name, words)
    if place is not None:
        return Meaning(place, own, frozenset(words))
    told = [word for word in words if word not in vocabulary.AVERAGES]
    if told == ["cost"] and not set(words) & {"batch", "step"}:
        return Meaning(Kind.TOTAL, own, frozenset(told), "", part)
    kind, term = (Kind.RATE, "") if _is_of_class(name) else _kind(told)
    if all_words in (["char", "train"], ["word", "train"]):  # of Tesseract, as shares that are wrong
        kind = Kind.ERROR
    if own in (VAL, TEST) and len(told) == 1:  # of training they are settings
        kind = Kind.CORRELATION if told == ["rho"] else Kind.RATE if told[0] in vocabulary.RATES_OF_VALIDATION else kind
    return Meaning(kind, own, frozenset(told), term, part)


def _is_split(words: list[str], at: int) -> bool:
    """Whether a word says the part of the training: not where a reward is given for what is `valid`."""
    if words[at] not in vocabulary.SPLIT_OF:
        return False
    is_within = 0 < at < len(words) - 1 and words[at] in vocabulary.ASKED
    is_asked = is_within and words[at - 1] in vocabulary.REWARDS
    return not is_asked or words[at + 1] in vocabulary.AVERAGES | vocabulary.REWARDS | vocabulary.NO_FIGURE


@lru_cache(maxsize=MOST_NAMES)
def step_unit(name: str) -> str:
    """What a counter of this name counts: `step`, `iteration`, `episode` ...; empty: it is no counter."""
    words = [
        word
        for word in words_of(name.removeprefix("time/"))
        if word not in vocabulary.FILLERS | set(vocabulary.SPLIT_OF)
    ]
    if name == "#":
        return "step"
    if set(words_of(name)) in vocabulary.SECONDS:
        return "second"
    counted = [word for at, word in enumerate(words) if word not in vocabulary.COUNTED and (at or word != "acc")]
    if {"samples", "seen"} == set(counted):
        return "sample"
    if {word for word in counted if word not in {"num", "n", "so", "far"}} in vocabulary.ENVIRONMENT_STEPS:
        return "timestep"
    if len(counted) == 1:
        return vocabulary.STEP_UNITS.get(counted[0], "")
    counted = [word for word in counted if word not in vocabulary.COUNTED_OF_ENVIRONMENTS]
    unit = vocabulary.STEP_UNITS.get(counted[0], "") if len(counted) == 1 else ""
    return unit if unit in ("timestep", "episode") else ""


def is_plain_place(name: str) -> bool:
    """Whether a name alone says that it is the step or the epoch, whatever its values are: `step`, `epoch`."""
    return words_of(name) in (["epoch"], ["step"], ["global", "step"], ["iter"], ["iteration"])


def words_of(name: str) -> list[str]:
    """The words of a name in lower case: `valLoss`, `val_loss` and `val/loss` have the same."""
    return list(_words_of(name))


@lru_cache(maxsize=MOST_NAMES)
def _words_of(name: str) -> tuple[str, ...]:
    for foreign, english in vocabulary.FOREIGN.items():
        name = name.replace(foreign, english)
    name = re.sub(r"'s\b", " ", name).replace("mAP", "map").replace("IoU", "iou").replace("chrF", "chrf")
    name = re.sub(r"(?<=[a-z0-9])(?=[A-Z][a-z])|(?<=[a-z])(?=[A-Z])", " ", name)
    words = [part for word in re.split(r"[^a-z0-9]+", name.lower()) if word for part in _parts_of(word)]
    return ("learning", *words[1:]) if words[:2] == ["learn", "rate"] else tuple(words)


def _parts_of(word: str) -> list[str]:
    """`trainloss` as two words."""
    found = re.fullmatch(vocabulary.COMPOUND, word)
    return [word] if found is None else [part for part in found.groups() if part]


def _is_of_class(name: str) -> bool:
    """Whether a name is a known score and, behind a dot or a slash, a class: `IoU.error`."""
    head, mark, tail = name.rpartition(".") if "." in name else name.rpartition("/")
    own = [word for word in words_of(head) if word not in vocabulary.SPLIT_OF]
    is_score = bool(own) and own[-1] in vocabulary.HEADS and not set(own) & vocabulary.NOT_RATES
    return bool(mark) and is_score and not set(words_of(tail)) & vocabulary.NO_CLASSES and not head[-1:].isspace()


def _place(name: str, words: list[str]) -> Kind | None:
    if (words and set(words) <= vocabulary.EPOCHS) or name == "E":  # of spaCy, beside `#`
        return Kind.EPOCH
    return Kind.STEP if step_unit(name) not in ("", "second") else None


def _kind(words: list[str]) -> tuple[Kind, str]:
    found = set(words)
    if found & {"scale", "scaler"} and found & {"loss", "grad", "scaler", "amp"}:
        return Kind.LOSS_SCALE, ""
    if "loss" in found and "reduced" in found:  # over the processes: `reduced_train_loss`
        words = [word for word in words if word != "reduced"]
        found = set(words)
    if found in vocabulary.LEAST_ERRORS:
        return Kind.ERROR, ""
    if found & vocabulary.NO_FIGURE and "posterior" not in found:
        return Kind.OTHER, ""
    if words[:1] == ["bits"] and words[-1] in vocabulary.UNITS_OF_BITS:
        return Kind.TERM, " ".join(words)
    if "weight" in found and found & vocabulary.NO_WEIGHTS and not found & {"loss", "grad", "gradient"}:
        return Kind.OTHER, ""
    if words[:1] == ["weight"] or (words[-1:] == ["weight"] and len(words) > 1):
        return Kind.WEIGHT, _term([word for word in words if word != "weight"])
    if _is_rate(words):
        return Kind.LR, ""
    is_norm = ("grad" in found or "gradient" in found) and "norm" in found
    if is_norm or words in (["gradnorm"], ["gnorm"], ["g", "norm"]):
        return Kind.GRAD_NORM, ""
    if "update" in found and found & {"ratio", "weight", "weights", "data"}:
        return Kind.UPDATE_RATIO, ""
    if found & vocabulary.PERPLEXITY:
        return Kind.ERROR, ""
    if found & {"loss", "losses"} or words[:1] == ["term"]:
        words = words[:-1] if words[-2:] == ["loss", "value"] else words
        term = _term(words)
        return (Kind.TERM, term) if term else (Kind.TOTAL, "")
    if words == ["total"]:
        return Kind.TOTAL, ""
    return _metric(found, words)


def _is_rate(words: list[str]) -> bool:
    found = set(words)
    numbered = [word.rstrip("0123456789") for word in words]
    if words == ["l", "r"]:  # of Marian
        return True
    return numbered[:1] in (["lr"], ["lrs"]) or {"learning", "rate"} <= found or numbered[-1:] == ["lr"]


def _term(words: list[str]) -> str:
    """Name of the term in a loss's words; empty for the total."""
    return " ".join(word for word in words if word not in {"loss", "losses", "term", "mean"} | vocabulary.TOTALS)


def _is_share(found: set[str], words: list[str]) -> bool:
    """Whether it is a share by its words together."""
    is_ranked = len(words) == 2 and words[0] in vocabulary.RANKED and words[1] in vocabulary.RANKS
    if {"hit", "rate"} <= found and all(word in ("hit", "rate") or word.isdecimal() for word in found):
        return True
    is_recall = "ar" in found and all(word in vocabulary.RECALLED or word.isdecimal() for word in found)
    return found - vocabulary.PERCENT in vocabulary.RATES_ALONE or is_ranked or is_recall


def _metric(found: set[str], words: list[str]) -> tuple[Kind, str]:
    if found & vocabulary.OTHER_WAY:
        return Kind.OTHER, ""
    if "posterior" in found and found & {"max", "maximum", "top"}:
        return Kind.MAX_POSTERIOR, ""
    if "entropy" in found and found <= {"entropy", "posterior", "posteriors", "cluster", "assignment"}:
        return Kind.ENTROPY, ""
    is_detected = bool(found & vocabulary.DETECTED)
    is_in_seconds = words[-1:] in (["s"], ["ms"]) and not is_detected and len(words) > 1
    is_speed = "per" in found and found & vocabulary.PER_SECOND and not found & vocabulary.REWARDS
    is_cost = "cost" in found and (len(found) == 1 or found & vocabulary.COSTS_OF_TIME)
    is_timed = found & (vocabulary.TIMES - vocabulary.PER_SECOND if "per" in found else vocabulary.TIMES)
    if is_timed or is_speed or is_in_seconds or is_cost:
        return Kind.TIME, ""
    if found & vocabulary.CORRELATIONS and not found & vocabulary.NOT_CORRELATIONS:
        return Kind.CORRELATION, ""
    is_f_measure = len(words) == 2 and words[0] in vocabulary.F_MEASURED and words[1] in vocabulary.F_MEASURES
    if (found & vocabulary.RATES or is_f_measure or _is_share(found, words)) and not found & vocabulary.NOT_RATES:
        is_of_rival = bool(found & vocabulary.RIVALS) or (len(words) == 2 and words[0] in {"d", "g"})
        return Kind.OTHER if is_of_rival else Kind.RATE, ""
    if words in (["err", "d"], ["err", "g"]):  # of a discriminator and a generator
        return Kind.TERM, words[1]
    if found <= vocabulary.KNOWN_LOSSES | vocabulary.LOSS_FORMS and found & (vocabulary.KNOWN_LOSSES | {"cross"}):
        return Kind.TERM, " ".join(words)
    return _of_policies(found, words), ""


def _of_policies(found: set[str], words: list[str]) -> Kind:
    if found & {"approxkl", "approx"} and found & {"approxkl", "kl"}:
        return Kind.KL
    if found & {"clip", "clipfrac"} and found & {"fraction", "frac", "clipfrac"}:
        return Kind.CLIP_FRACTION
    if {"explained", "variance"} <= found:
        return Kind.EXPLAINED_VARIANCE
    if {word.rstrip("0123456789") for word in words} & vocabulary.REWARDS and not found & vocabulary.NOT_REWARDS:
        return Kind.REWARD
    is_score = found <= vocabulary.SCORED and found & {"score", "scores"} and words != ["scores"]
    stems = {word.rstrip("0123456789") for word in words}
    if stems & vocabulary.SCORES or found & vocabulary.SCORES or found in vocabulary.SCORES_ALONE or is_score:
        return Kind.SCORE
    if (
        {"objective", "function"} <= found
        or {"obj", "log"} <= found
        or any(re.fullmatch(r"is\d+k", word) for word in words)
    ):
        return Kind.SCORE
    is_error = words == ["per"] or found in vocabulary.ERRORS_ALONE or found & vocabulary.ERRORS
    is_sampled = any(re.fullmatch(r"[fk]id\d+k?", word) for word in words)  # fid50k_full
    return Kind.ERROR if is_sampled or (is_error and not found & vocabulary.NOT_ERRORS) else Kind.OTHER


def some_of(names: Sequence[str]) -> str:
    """The first names of a list, in words."""
    return ", ".join(names[:MOST_SAID]) + (", ..." if len(names) > MOST_SAID else "")
