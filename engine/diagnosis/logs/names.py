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


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


SPLITS = {
    TRAIN: ("train", "training", "trainings", "tr", "trn"),
    VAL: ("val", "valid", "validation", "eval", "evaluation", "dev"),
    TEST: ("test", "testing", "te"),
}
DEEP = 3
"""Slashes in a name from which on only the last part of it says what it is."""
_SPLIT_OF = {word: split for split, words in SPLITS.items() for word in words}
_AVERAGES = _words("avg average mean running epoch step batch current cur meter smoothed raw ema final global so far")
_FILLERS = _words(
    "the of at is in with on for and after info debug warning finished end ended done result results metrics"
)
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
_NO_FIGURE = _words(
    "best min delta target std var scale patience summary threshold"
    " returning reducing reduced changing setting adjusting"
)
_TOTALS = frozenset({"total", "all", "sum", "overall", "combined"})
_RATES = _words(
    "acc accuracy accuracies acc1 acc5 top1 top5 precision recall f1 auc auroc auprc roc iou miou dice sensitivity"
    " specificity map map50 map75 ap ap50 ap75 pck"
)
_NOT_RATES = _words("error err floating time speed threshold num count grad memory mem mixed fp16 bf16 amp loss")
_ERRORS = _words("error err errors merror wer cer ter ler ppl perplexity eer nme mape smape")
_NOT_ERRORS = _words("num count time bar std errd errg")
_REWARDS = _words("reward rewards rew rewmean return returns")
_NOT_REWARDS = _words("chosen rejected margins margin accuracies logps logits loss len norm batch running")
_SCORES = _words("psnr ssim bleu rouge rouge1 rouge2 rougel meteor cider objf objective likelihood loglikelihood elbo")
_TIMES = _words(
    "time eta fps ips runtime elapsed seconds sec secs timestamp duration walltime speed throughput mfu mem memory"
    " cost flos tokens wps ups wpb wall"
)
_PER_SECOND = _words("second sec s")
_CORRELATIONS = _words("srcc srocc plcc krcc lcc spearman spearmanr pearson pearsonr kendall mcc matthews cosine cos")
_NOT_CORRELATIONS = _words(
    "loss distance dist lr annealing schedule scheduler pvalue p rate restart grad num count alpha bar ine"
)
_STEP_UNITS = {
    "step": "step",
    "steps": "step",
    "iter": "iteration",
    "iters": "iteration",
    "iteration": "iteration",
    "iterations": "iteration",
    "it": "iteration",
    "batch_idx": "batch",
    "round": "round",
    "rounds": "round",
    "timestep": "timestep",
    "timesteps": "timestep",
    "episode": "episode",
    "episodes": "episode",
}
_SECONDS = ({"runtime"}, {"elapsed"}, {"time", "elapsed"}, {"wall", "time"}, {"walltime"}, {"seconds"})
_EPOCHS = frozenset({"epoch", "epochs", "ep"})
_KNOWN_LOSSES = _words(
    "bce ce mse mae rmse nll kl kld supcon infonce ntxent contrastive focal hinge huber smoothl1 l1 l2"
    " crossentropy triplet logloss mlogloss xent"
)
_LOSS_FORMS = _words("cross entropy smooth binary multi categorical sparse")


@lru_cache(maxsize=4096)
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
    at = next((index for index, word in enumerate(all_words) if word in _SPLIT_OF), None)
    own, part = split, ""
    if at is not None:
        own = _SPLIT_OF[all_words[at]]
        if all_words[at + 1 : at + 2] and all_words[at + 1].isdecimal():  # valid_1
            part = all_words.pop(at + 1)
    if name.count("/") >= DEEP:
        all_words = words_of(name.rpartition("/")[2])
    words = [word for word in all_words if word not in _SPLIT_OF and word not in _FILLERS]
    place = _place(name, words)
    if place is not None:
        return Meaning(place, own, frozenset(words))
    told = [word for word in words if word not in _AVERAGES]
    kind, term = _kind(told)
    return Meaning(kind, own, frozenset(told), term, part)


def step_unit(name: str) -> str:
    """What a counter of this name counts: `step`, `iteration`, `episode` ...; empty: it is no counter."""
    words = [word for word in words_of(name.removeprefix("time/")) if word not in _FILLERS | set(_SPLIT_OF)]
    if set(words_of(name)) in _SECONDS:
        return "second"
    counted = [word for word in words if word not in {"global", "current", "total", "trainer"}]
    if {"samples", "seen"} == set(counted):
        return "sample"
    return _STEP_UNITS.get(counted[0], "") if len(counted) == 1 else ""


def is_plain_place(name: str) -> bool:
    """Whether a name alone says that it is the step or the epoch, whatever its values are: `step`, `epoch`."""
    return words_of(name) in (["epoch"], ["step"], ["global", "step"], ["iter"], ["iteration"])


def words_of(name: str) -> list[str]:
    """The words of a name in lower case: `valLoss`, `val_loss` and `val/loss` have the same."""
    for chinese, english in _CHINESE.items():
        name = name.replace(chinese, english)
    name = re.sub(r"'s\b", " ", name).replace("mAP", "map").replace("IoU", "iou")
    name = re.sub(r"(?<=[a-z0-9])(?=[A-Z][a-z])|(?<=[a-z])(?=[A-Z])", " ", name)
    return [word for word in re.split(r"[^a-z0-9]+", name.lower()) if word]


def _place(name: str, words: list[str]) -> Kind | None:
    if words and set(words) <= _EPOCHS:
        return Kind.EPOCH
    return Kind.STEP if step_unit(name) not in ("", "second") else None


def _kind(words: list[str]) -> tuple[Kind, str]:
    found = set(words)
    if found & {"scale", "scaler"} and found & {"loss", "grad", "scaler", "amp"}:
        return Kind.LOSS_SCALE, ""
    if found & _NO_FIGURE and "posterior" not in found:
        return Kind.OTHER, ""
    if words[:1] == ["weight"] or (words[-1:] == ["weight"] and len(words) > 1):
        return Kind.WEIGHT, _term([word for word in words if word != "weight"])
    if _is_rate(words):
        return Kind.LR, ""
    if (("grad" in found or "gradient" in found) and "norm" in found) or words in (["gradnorm"], ["gnorm"]):
        return Kind.GRAD_NORM, ""
    if "update" in found and found & {"ratio", "weight", "weights", "data"}:
        return Kind.UPDATE_RATIO, ""
    if found & {"ppl", "perplexity"}:
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
    return numbered[:1] in (["lr"], ["lrs"]) or {"learning", "rate"} <= found or numbered[-1:] == ["lr"]


def _term(words: list[str]) -> str:
    """Name of the term in a loss's words; empty for the total."""
    return " ".join(word for word in words if word not in {"loss", "losses", "term", "mean"} | _TOTALS)


def _metric(found: set[str], words: list[str]) -> tuple[Kind, str]:
    if "posterior" in found and found & {"max", "maximum", "top"}:
        return Kind.MAX_POSTERIOR, ""
    if "entropy" in found and found <= {"entropy", "posterior", "posteriors", "cluster", "assignment"}:
        return Kind.ENTROPY, ""
    if found & _TIMES or ("per" in found and found & _PER_SECOND) or words[-1:] in (["s"], ["ms"]):
        return Kind.TIME, ""
    if found & _CORRELATIONS and not found & _NOT_CORRELATIONS:
        return Kind.CORRELATION, ""
    if found & _RATES and not found & _NOT_RATES:
        return Kind.RATE, ""
    if words in (["err", "d"], ["err", "g"]):  # of a discriminator and a generator
        return Kind.TERM, words[1]
    if found <= _KNOWN_LOSSES | _LOSS_FORMS and found & (_KNOWN_LOSSES | {"cross"}):
        return Kind.TERM, " ".join(words)
    return _of_policies(found, words), ""


def _of_policies(found: set[str], words: list[str]) -> Kind:
    if found & {"approxkl", "approx"} and found & {"approxkl", "kl"}:
        return Kind.KL
    if found & {"clip", "clipfrac"} and found & {"fraction", "frac", "clipfrac"}:
        return Kind.CLIP_FRACTION
    if {"explained", "variance"} <= found:
        return Kind.EXPLAINED_VARIANCE
    if {word.rstrip("0123456789") for word in words} & _REWARDS and not found & _NOT_REWARDS:
        return Kind.REWARD
    if found & _SCORES or words == ["score"] or {"objective", "function"} <= found:
        return Kind.SCORE
    is_error = words == ["per"] or (found & _ERRORS and not found & _NOT_ERRORS)
    return Kind.ERROR if is_error else Kind.OTHER
