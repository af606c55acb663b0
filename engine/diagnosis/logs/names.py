"""What the names of a log mean: which part of the training they speak of, and what kind of figure they are.

Goes by words only; a name it does not understand has the kind `OTHER` and is judged by no rule.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

TRAIN, VAL, TEST = "train", "val", "test"


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
    STEP = "step"
    EPOCH = "epoch"
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


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_SPLITS = {
    TRAIN: ("train", "training", "tr", "trn"),
    VAL: ("val", "valid", "validation", "eval", "evaluation", "dev"),
    TEST: ("test", "testing"),
}
_SPLIT_OF = {word: split for split, words in _SPLITS.items() for word in words}
_AVERAGES = _words("avg average mean running epoch step batch current cur meter smoothed raw ema final")
_FILLERS = _words("the of at is in with on for and after info debug warning finished end ended done result")
_CHINESE = {
    "训练": " train ",
    "验证": " val ",
    "测试": " test ",
    "学习率": " lr ",
    "准确率": " accuracy ",
    "精度": " accuracy ",
    "损失": " loss ",
    "总": " total ",
    "聚类": " cluster ",
    "质量": " quality ",
    "均衡": " balance ",
    "平衡": " balance ",
    "熵": " entropy ",
    "轮": " epoch ",
    "步": " step ",
}
_TOTALS = frozenset({"total", "all", "sum", "overall", "combined"})
_RATES = _words(
    "acc accuracy acc1 acc5 top1 top5 precision recall f1 auc auroc roc iou miou dice sensitivity specificity map map50"
)
_NOT_RATES = _words("error err floating time speed threshold num count grad memory mixed fp16 bf16 amp")
_CORRELATIONS = _words("srcc srocc plcc krcc lcc spearman spearmanr pearson pearsonr kendall mcc matthews cosine cos")
_NOT_CORRELATIONS = _words(
    "loss distance dist lr annealing schedule scheduler pvalue p rate restart grad num count alpha bar ine"
)
_STEPS = frozenset({"step", "steps", "iter", "iteration", "iterations", "global_step", "it", "batch_idx"})
_EPOCHS = frozenset({"epoch", "epochs", "ep"})
_KNOWN_LOSSES = _words(
    "bce ce mse mae rmse nll kl kld supcon infonce ntxent contrastive focal hinge huber smoothl1 l1 l2"
    " crossentropy triplet"
)


@lru_cache(maxsize=4096)
def meaning_of(name: str, split: str = "") -> Meaning:
    """What a name means.

    Args:
        name: as the log has it.
        split: of the heading above it; used where the name itself names none.
    """
    all_words = words_of(name)
    own = next((_SPLIT_OF[word] for word in all_words if word in _SPLIT_OF), split)
    words = [word for word in all_words if word not in _SPLIT_OF and word not in _FILLERS]
    place = _place(words)
    if place is not None:
        return Meaning(place, own, frozenset(words))
    told = [word for word in words if word not in _AVERAGES]
    kind, term = _kind(told)
    return Meaning(kind, own, frozenset(told), term)


def words_of(name: str) -> list[str]:
    """The words of a name in lower case: `valLoss`, `val_loss` and `val/loss` have the same."""
    for chinese, english in _CHINESE.items():
        name = name.replace(chinese, english)
    name = re.sub(r"(?<=[a-z0-9])(?=[A-Z][a-z])|(?<=[a-z])(?=[A-Z])", " ", name)
    return [word for word in re.split(r"[^a-z0-9]+", name.lower().replace("@", "")) if word]


def _place(words: list[str]) -> Kind | None:
    if not words or len(words) > 2:
        return None
    if set(words) <= _EPOCHS:
        return Kind.EPOCH
    if set(words) <= _STEPS | {"global", "current"}:
        return Kind.STEP
    return None


def _kind(words: list[str]) -> tuple[Kind, str]:
    found = set(words)
    if found & {"best", "min", "delta", "target", "std", "var", "scale", "patience"} and "posterior" not in found:
        return Kind.OTHER, ""
    if words[:1] == ["weight"] or (words[-1:] == ["weight"] and len(words) > 1):
        return Kind.WEIGHT, _term([word for word in words if word != "weight"])
    if words[:1] in (["lr"], ["lrs"]) or {"learning", "rate"} <= found or words[-1:] == ["lr"]:
        return Kind.LR, ""
    if (("grad" in found or "gradient" in found) and "norm" in found) or words == ["gradnorm"]:
        return Kind.GRAD_NORM, ""
    if found & {"loss", "losses"} or words[:1] == ["term"]:
        term = _term(words)
        return (Kind.TERM, term) if term else (Kind.TOTAL, "")
    return _metric(found, words)


def _term(words: list[str]) -> str:
    """Name of the term in a loss's words; empty for the total."""
    return " ".join(word for word in words if word not in {"loss", "losses", "term", "mean"} | _TOTALS)


def _metric(found: set[str], words: list[str]) -> tuple[Kind, str]:
    if "posterior" in found and found & {"max", "maximum", "top"}:
        return Kind.MAX_POSTERIOR, ""
    if "entropy" in found and found <= {"entropy", "posterior", "posteriors", "cluster", "assignment"}:
        return Kind.ENTROPY, ""
    if found & _CORRELATIONS and not found & _NOT_CORRELATIONS:
        return Kind.CORRELATION, ""
    if found & _RATES and not found & _NOT_RATES:
        return Kind.RATE, ""
    if found and found <= _KNOWN_LOSSES | {"cross", "entropy", "smooth"}:
        return Kind.TERM, " ".join(words)
    return Kind.OTHER, ""
