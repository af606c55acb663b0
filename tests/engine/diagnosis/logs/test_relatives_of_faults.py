"""Relatives of logs that were once misread or misjudged: other tools, names and orders of the same kind of fault.

Each is read and judged as the first of its kind, and none of them is accused of anything else.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import pytest
from courses import found, grave
from log_files import each, first_line

LONG = 80


def norm(k: int) -> str:
    return "1.2" if k <= 50 else "nan"


def lost(k: int) -> str:
    return f"{2 - k / 200:.4f}" if k <= 50 else "0.0000"


def right(k: int) -> float:
    return 0.6 + k / 200 if k < 60 else 0.5


def wrong(k: int) -> float:
    return 0.7 if k < 60 else 1.2


def scale(k: int) -> float:
    return 65536.0 / 2 ** max(k - 40, 0)


def scaled(k: int) -> float:
    return math.nan if k > 40 else 4 - k / 100


def told(rows: Iterable[tuple[str, object]], edge: str = "-") -> str:
    """A table of names and values, as trainers of policies print them."""
    lines = [f"| {name:<22} | {value!s:<8} |" for name, value in rows]
    ruler = edge * len(lines[0])
    return "\n".join([ruler, *lines, ruler])


OVERFLOWS = [
    each(lambda k: f"{k}\t{lost(k)}\t{norm(k)}", 90, "step\tloss\tgnorm\n"),
    each(lambda k: f"iter {k:5d} | loss {lost(k)} | grad norm: {norm(k)} | lr 3.0e-04", 90),
    each(
        lambda k: (
            f'{{"trainer/step": {k}, "train/loss": {lost(k)}, "train/gradient_norm": {norm(k).replace("nan", "NaN")}}}'
        ),
        90,
    ),
]
SCALES = [
    each(lambda k: f"{k},{scaled(k)},{scale(k)}", 70, "step,loss,loss_scale\n"),
    each(lambda k: f"| global step {k} | lm loss {scaled(k):.4f} | loss scale: {scale(k)} | grad norm: 1.2 |", 70),
    each(lambda k: f'{{"step": {k}, "loss": {scaled(k)}, "amp/scale": {scale(k)}}}'.replace("nan", "NaN"), 70),
]
COLLAPSES = [
    each(lambda k: f"[{k}] train loss {wrong(k):.2f}; dev accuracy {right(k):.4f}", 90),
    each(lambda k: f"{k};{wrong(k)};{right(k):.4f}", 90, "epoch;training_loss;validation_accuracy\n"),
    each(lambda k: f"Ep {k} | loss={wrong(k)} | val_acc={100 * right(k):.2f}%", 90),
]
ZEROS = [
    each(lambda k: f"epoch: {k} - loss: {2 * 0.9**k:.4f} - accuracy: 0.0000e+00", 40),
    each(lambda k: f"epoch {k} train_loss {2 * 0.9**k:.4f} top-1 acc 0.00%", 40),
    each(lambda k: f'{{"epoch": {k}, "train": {{"loss": {2 * 0.9**k:.4f}, "acc": 0}}}}', 40),
]
FROZEN = [
    each(
        lambda k: (
            f"epoch {k} loss {1.2 - k / 100:.3f} acc {0.6 + k / 200:.3f} val_loss {1.1 - k / 500:.4f} val_acc 0.7134328"
        ),
        30,
    ),
    each(
        lambda k: f"[{k}]\ttrain-loss:{1.2 - k / 100:.3f}\teval-loss:{1.1 - k / 500:.4f}\teval-accuracy:0.7134328", 30
    ),
    each(
        lambda k: f"| {k} | {1.2 - k / 100:.3f} | {1.1 - k / 500:.4f} | 71.34328 |",
        30,
        "| epoch | train loss | val loss | val accuracy |\n|---|---|---|---|\n",
    ),
]


POORER = [
    each(lambda k: told([("eprewmean", 100.5 - 5 * k), ("eplenmean", 40), ("loss/value", 1 + k / 10)])),
    each(
        lambda k: told(
            [("Environment/", ""), ("  episode_reward", 200 - 7 * k), ("Losses/", ""), ("  value loss", 1 + k / 10)]
        )
    ),
    each(lambda k: told([("AverageEpRet", 100 - 4 * k), ("LossPi", -0.01), ("LossV", 5 + k)], "+")),
    each(lambda k: f"{k},{300 - 3 * k},200", LONG, "episode,return,steps\n"),
    each(lambda k: f"Episode {k}: reward={300 - 3 * k:.1f} eps={0.99**k:.3f}", LONG),
    each(lambda k: f'{{"timesteps": {k * 500}, "episode_reward_mean": {300 - 3 * k}}}', LONG),
]
BAR = ": 100%|##########| 9/9 [00:04<00:00,  2.1it/s]"
NO_NUMBERS = [
    each(
        lambda k: (
            "     Epoch    GPU_mem  box_loss  obj_loss  cls_loss  Instances      Size\n"
            f"{k + 1:>6}/50      3.1G       nan       nan       nan         12       512{BAR}"
        ),
        7,
    ),
    each(
        lambda k: f"{k}       nan         nan         0.2500    00:05",
        7,
        "epoch   train_loss  valid_loss  accuracy  time\n",
    ),
    each(
        lambda k: f"| {k + 1}.0 | nan | nan |",
        7,
        "| Epoch | Training Loss | Validation Loss |\n|:-----:|:-------------:|:---------------:|\n",
    ),
]
IN_PROSE = [
    each(lambda k: f"After epoch {k} the loss is {'nan' if k == 10 else 1.2} and the learning rate is 0.04", 20),
    each(lambda k: f"Epoch {k}: training loss was {'inf' if k == 10 else 1.2}, learning rate 0.04.", 20),
    each(lambda k: f"[epoch {k}] Average loss so far: {'-inf' if k == 10 else 1.2} (lr=0.04)", 20),
]
NO_UPDATES = [
    each(
        lambda k: f"{k},-98,{(k % 3 - 1) * 1e-9},{9000 - 80 * k},7.49,0.0,0.0",
        LONG,
        "update,return_mean,policy_loss,value_loss,entropy,approx_kl,clipfrac\n",
    ),
    each(
        lambda k: (
            f'{{"step": {k * 2048}, "rollout/ep_rew_mean": -98, "train/policy_gradient_loss": {(k % 3 - 1) * 1e-9}, '
            f'"train/value_loss": {9000 - 80 * k}, "train/clip_fraction": 0.0, "train/approx_kl": 0.0}}'
        ),
        LONG,
    ),
    each(
        lambda k: (
            f"iter {k}: mean reward -98.00, surrogate loss {(k % 3 - 1) * 1e-9:.2e}, "
            f"value loss {9000 - 80 * k}, approx_kl 0.0, clip_fraction 0.0"
        ),
        LONG,
    ),
]
SIXTEENTHS = (12, 11, 12, 13, 12, 10, 11, 12, 12, 11, 12, 13, 12, 10, 11, 12)
TENTHS = (7, 8, 7, 6, 8, 7, 9, 7, 8, 7, 6, 7, 8, 9, 8, 7)
TWELFTHS = (9, 8, 9, 10, 9, 7, 8, 9, 9, 8, 9, 10, 9, 7, 8, 9)
HANDFULS = [
    each(
        lambda k: (
            f"Epoch {k + 1}/16 - loss: {0.6 - k / 100:.4f} - val_loss: {0.65 - k / 200:.4f} - "
            f"val_acc: {SIXTEENTHS[k] / 16:.4f}"
        ),
        16,
    ),
    each(
        lambda k: f"{k},{0.6 - k / 100:.4f},{0.65 - k / 200:.4f},{TENTHS[k] / 10:.4f}",
        16,
        "epoch,train_loss,valid_loss,valid_acc\n",
    ),
    each(
        lambda k: (
            f"{{'eval_loss': {0.65 - k / 200:.4f}, 'eval_accuracy': {TWELFTHS[k] / 12}, 'epoch': {k + 1}.0}}\n"
            f"{{'loss': {0.6 - k / 100:.4f}, 'epoch': {k + 1}.0}}"
        ),
        16,
    ),
]
NO_CODE = [
    each(
        lambda k: f"{k},{0.14 + k % 7 / 1000},{0.14 + k % 7 / 1000},{(k % 3 + 1) * 3e-7}",
        30,
        "epoch,total_loss,reconstruction_loss,kl_loss\n",
    ),
    each(
        lambda k: (
            f"Epoch {k}/30 - kl_loss: {(k % 3 + 1) * 2e-8:.3e} - loss: {88 + k % 5 / 10:.4f} - "
            f"reconstruction_loss: {88 + k % 5 / 10:.4f}"
        ),
        30,
    ),
    each(
        lambda k: (
            f"step {k} | elbo_loss {0.3 + k % 7 / 1000} | rec {0.3 + k % 7 / 1000} | KLD {(k % 3 + 1) * 3e-7:.2e}"
        ),
        90,
    ),
]
STUCK = [
    each(lambda k: f"step {k * 50} loss 18.4207", 30),
    each(lambda k: f"{k},27.6310", 70, "iter,loss\n"),
]
SATURATED = [
    each(lambda k: f"Iteration {k * 20} (9.1 iter/s, 2.2s/20 iters), loss = 87.3365", 40),
    each(lambda k: f"{k * 20},87.3365", 40, "step,train_loss\n"),
    each(lambda k: f"Epoch {k}: loss {0.69 if k < 5 else 87.3365}", 40),
]


@pytest.mark.parametrize(
    ("text", "code", "others"),
    [
        *((text, "N902", set[str]()) for text in OVERFLOWS),
        *((text, "N901", {"N902"}) for text in SCALES),
        *((text, "O601", {"E1015"}) for text in COLLAPSES),
        *((text, "E1008", set[str]()) for text in ZEROS),
        *((text, "E1007", set[str]()) for text in FROZEN),
        *((text, "E1015", set[str]()) for text in POORER),
        *((text, "N901", set[str]()) for text in NO_NUMBERS),
        *((text, "O604", {"N901"}) for text in IN_PROSE),
        *((text, "O619", set[str]()) for text in NO_UPDATES),
        *((text, "E1005", set[str]()) for text in HANDFULS),
        *((text, "C318", set[str]()) for text in NO_CODE),
        *((text, "O604", set[str]()) for text in STUCK),
        *((text, "O601", {"O604"}) for text in SATURATED),
    ],
    ids=first_line,
)
def test_what_is_wrong_is_said_first_and_nothing_else(text: str, code: str, others: set[str]) -> None:
    findings = found(text)
    assert code in findings
    assert findings[code].primary
    assert grave(text) - {code} <= others
