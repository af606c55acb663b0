"""What stands for a loss where none is named, and what is said where nothing does."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from courses import grave
from log_files import each

from trainctl.engine.diagnosis.differential import diagnose
from trainctl.engine.diagnosis.finding import Scope
from trainctl.engine.diagnosis.logs.course import training_loss, validation_loss
from trainctl.engine.diagnosis.logs.evidence import log_lines, read_log_evidence
from trainctl.engine.diagnosis.logs.facts import LogFacts, read_facts
from trainctl.engine.diagnosis.logs.reading import parse_log

DETECTOR = "epoch,train/box_loss,train/cls_loss,train/dfl_loss,val/box_loss,val/cls_loss,val/dfl_loss,mAP50\n"


def read(text: str) -> LogFacts:
    return read_facts(parse_log(text.encode(), "log"))


def scope(folder: Path, text: str) -> Scope:
    log = folder / "log.csv"
    log.write_text(text)
    return diagnose(read_log_evidence(str(log))).scope


def detector(k: int, *, rises: bool) -> str:
    trained = [scale * np.exp(-k / 12) + 0.2 for scale in (1.0, 2.0, 0.8)]
    held = [one + (0.08 * max(k - 12, 0) if rises else 0.1) for one in trained]
    return ",".join([str(k), *(f"{one:.4f}" for one in [*trained, *held]), f"{0.7 - 0.5 * np.exp(-k / 8):.4f}"])


def test_the_sum_of_a_detectors_terms_is_judged_on_both_sides() -> None:
    log = read(each(lambda k: detector(k, rises=False), 40, DETECTOR))
    train, val = training_loss(log), validation_loss(log)
    assert train is not None and val is not None
    assert train.name == "train/box_loss + train/cls_loss + train/dfl_loss"
    assert train.values[0] == pytest.approx(4.4, abs=1e-3)
    assert val.values[0] == pytest.approx(4.7, abs=1e-3)
    assert any(line.startswith("in place of a loss: train/box_loss + ") for line in log_lines(log))
    assert grave(each(lambda k: detector(k, rises=False), 40, DETECTOR)) == set()
    assert "R801" in grave(each(lambda k: detector(k, rises=True), 40, DETECTOR.replace("mAP50", "extra")))


@pytest.mark.parametrize(
    "head",
    [
        DETECTOR.replace("val/dfl_loss", "val/obj_loss"),  # the validation has another term
        DETECTOR.replace("/box_", "/recon_").replace("/cls_", "/kl_"),  # whose weights nothing tells
        DETECTOR.replace("train/dfl_loss", "train/loss"),  # a total
    ],
)
def test_terms_that_are_no_fair_sum(head: str) -> None:
    log = read(each(lambda k: detector(k, rises=False), 40, head))
    assert validation_loss(log) is None
    loss = training_loss(log)
    assert loss is None or loss.name == "train/loss"


def test_the_logarithm_of_a_perplexity_is_a_loss_where_none_is_named() -> None:
    head, line = "step,ppl,val_ppl\n", lambda k: f"{k},{np.exp(4 - k / 20):.3f},{np.exp(4.5 - k / 25):.3f}"
    log = read(each(line, 40, head))
    train, val = training_loss(log), validation_loss(log)
    assert train is not None and val is not None
    assert (train.name, val.name) == ("ln ppl", "ln val_ppl")
    assert train.values[[0, 20]] == pytest.approx([4.0, 3.0], abs=1e-3)
    named = read(each(lambda k: f"{line(k)},{4 - k / 20:.3f}", 40, "step,ppl,val_ppl,xent\n"))
    assert (loss := training_loss(named)) is not None and loss.name == "xent"


def test_a_perplexity_that_is_zero_has_no_logarithm() -> None:
    assert training_loss(read(each(lambda k: f"{k},{max(5 - k, 0)}", 20, "step,ppl\n"))) is None


def test_several_losses_are_named_where_none_is_their_sum(tmp_path: Path) -> None:
    line = lambda k: f"{k},{1 / (k + 1):.3f},{2 / (k + 1):.3f},{3 / (k + 1):.3f},{4 / (k + 1):.3f}"  # noqa: E731
    lacks = scope(tmp_path, each(line, 12, "epoch,a_loss,b_loss,val_a_loss,val_b_loss\n")).not_looked_at
    assert lacks["course"].startswith("a_loss, b_loss are several losses, and none is their sum")
    assert lacks["validation"].startswith("val_a_loss, val_b_loss are several losses of validation data")
    rivals = scope(tmp_path, each(line, 12, "epoch,Gen Loss,Disc Loss,fps,eta\n")).not_looked_at
    assert rivals["course"].startswith("Gen Loss, Disc Loss: losses of networks that are judged by each other")


def test_an_error_of_the_validation_that_counts_as_a_loss_is_said_to(tmp_path: Path) -> None:
    line = lambda k: f"{k},{1 / (k + 1):.3f},{1.1 / (k + 1):.3f},{1.2 / (k + 1):.3f}"  # noqa: E731
    lacks = scope(tmp_path, each(line, 12, "epoch,loss,val_loss,val_mae\n")).not_looked_at
    assert lacks["metrics"].startswith("val_mae: counted as a loss")
    lacks = scope(tmp_path, each(line, 12, "epoch,loss,val_loss,fps\n")).not_looked_at
    assert lacks["metrics"] == "no metric of the validation is named; log one once an epoch"


def test_a_test_that_came_once_is_counted(tmp_path: Path) -> None:
    rows = [{"epoch": k, "train_loss": 1 / (k + 1)} | ({"test_loss": 0.4} if k == 5 else {}) for k in range(12)]
    lacks = scope(tmp_path, "".join(json.dumps(row) + "\n" for row in rows)).not_looked_at
    assert lacks["validation"] == "1 values of test_loss of 3 that are needed"
