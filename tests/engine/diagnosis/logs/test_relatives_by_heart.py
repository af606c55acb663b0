"""Relatives of logs of networks that learn by heart: other tools, names and orders, judged as the first one was."""

from __future__ import annotations

import pytest
from courses import grave
from log_files import each, first_line

from trainctl.engine.diagnosis.logs.facts import read_facts
from trainctl.engine.diagnosis.logs.names import Kind
from trainctl.engine.diagnosis.logs.reading import parse_log

EPOCHS = 24


def train(k: int) -> float:
    return 2 * 0.88**k


def val(k: int) -> float:
    """Falls to the ninth epoch and rises from there on."""
    return 1.2 - 0.05 * min(k, 8) + 0.06 * max(k - 8, 0)


def boosted(k: int) -> float:
    return 0.6 * 0.9**k


def held_out(k: int) -> float:
    return 0.7 - 0.02 * min(k, 10) + 0.02 * max(k - 10, 0)


SOURCE_LINES = [
    each(lambda k: f"W0412 09:15:{k:02d}.125 77 trainer.cpp:411] iter {k} loss {train(k):.4f}"),
    each(lambda k: f"2031-04-12 09:15:{k:02d},125 [core/fit.py:88] [pid 4121] DEBUG step={k} loss={train(k):.4f}"),
    each(lambda k: f"[INFO|loop.py:1203] 2031-04-12 09:15:{k:02d} >> Step {k}: loss = {train(k):.4f}"),
    each(lambda k: f"2031-04-12T09:15:{k:02d}.125Z INFO train::fit: src/fit.rs:61: step {k} loss {train(k):.4f}"),
]


@pytest.mark.parametrize("text", SOURCE_LINES, ids=first_line)
def test_positions_in_sources_processes_and_stamps_are_no_figures(text: str) -> None:
    log = read_facts(parse_log(text.encode(), "log"))
    assert [(one.name, one.meaning.kind) for one in log.series] == [("loss", Kind.TOTAL)]
    assert log.series[0].values.tolist() == [round(train(k), 4) for k in range(EPOCHS)]
    assert log.table.steps.tolist() == list(range(EPOCHS))


PARTS = [
    each(lambda k: f"--- epoch {k} ---\nTRAIN   loss {train(k):.3f}   top1 .9\nVALID   loss {val(k):.3f}   top1 .7"),
    each(lambda k: f"[{k + 1}/{EPOCHS}] (train) loss: {train(k):.3f}, acc: 91% (dev) loss: {val(k):.3f}, acc: 70%"),
    each(lambda k: f"Epoch {k}\n  Training:\n    loss={train(k):.3f}\n  Evaluation:\n    loss={val(k):.3f}\n    f1=.6"),
    each(lambda k: f"epoch={k} phase=train loss={train(k):.3f}\nepoch={k} phase=eval loss={val(k):.3f}"),
]
COMPONENTS = [
    each(
        lambda k: f"{k},{train(k):.4f},{0.7 * train(k):.4f},{val(k):.4f},{1.1 * val(k):.4f}",
        head="step,loss/cls,loss/reg,val_loss/cls,val_loss/reg\n",
    ),
    each(
        lambda k: (
            f"epoch {k}: train [rpn_loss: {train(k):.4f} roi_loss: {0.7 * train(k):.4f}] "
            f"val [rpn_loss: {val(k):.4f} roi_loss: {1.1 * val(k):.4f}]"
        )
    ),
    each(
        lambda k: (
            f'{{"epoch": {k}, "train_mask_loss": {train(k):.4f}, "train_edge_loss": {0.7 * train(k):.4f}, '
            f'"val_mask_loss": {val(k):.4f}, "val_edge_loss": {1.1 * val(k):.4f}}}'
        )
    ),
    each(lambda k: f"{k:4d}  T_loss {train(k):.5f}  V_loss {val(k):.5f}"),
    each(lambda k: f"ep {k} tr_loss={train(k):.4f} va_loss={val(k):.4f}"),
    each(
        lambda k: f"{100 * k},{train(k):.4f},{val(k):.4f},{val(k) + 0.4:.4f}",
        head="step,train_loss,eval_news_loss,eval_code_loss\n",
    ),
]
FIVE_EPOCHS = [
    "epoch,loss,val_loss\n0,.8,.75\n1,.42,.68\n2,.19,.86\n3,.06,1.2\n4,.02,1.7\n",
    "".join(
        f"Epoch {k + 1}/5 - loss: {loss} - val_loss: {other}\n"
        for k, (loss, other) in enumerate([(1.1, 0.95), (0.6, 0.82), (0.25, 1.0), (0.08, 1.45), (0.02, 2.0)])
    ),
    "".join(
        f"{{'loss': {loss}, 'epoch': {k + 1}.0}}\n{{'eval_loss': {other}, 'eval_accuracy': .82, 'epoch': {k + 1}.0}}\n"
        for k, (loss, other) in enumerate([(0.62, 0.5), (0.31, 0.47), (0.12, 0.66), (0.04, 0.9), (0.015, 1.2)])
    ),
]
BOOSTED = [
    each(
        lambda k: (
            f"{k}:\tlearn: {boosted(k):.7f}\ttest: {held_out(k):.7f}\tbest: {held_out(min(k, 10)):.7f} "
            f"({min(k, 10)})\ttotal: {k * 50}ms\tremaining: 9s"
        ),
        40,
    ),
    each(
        lambda k: f"[{k}]\ttraining's multi_logloss: {boosted(k):.5f}\tvalid_0's multi_logloss: {held_out(k):.5f}", 40
    ),
    each(lambda k: f"[09:15:{k:02d}] [{k}]\ttrain-rmse:{boosted(k):.5f}\teval-rmse:{held_out(k):.5f}", 40),
    each(lambda k: f"round {k}: train mlogloss {boosted(k):.5f}, valid mlogloss {held_out(k):.5f}", 40),
]
CONFIGURATIONS = [
    each(
        lambda k: f"Epoch {k} train_loss: {train(k):.4f} val_loss: {val(k):.4f}",
        head="INFO config: {'lr': 0.1, 'epochs': 40, 'betas': (0.9, 0.999)}\n",
    ),
    each(
        lambda k: f"Epoch {k} train_loss: {train(k):.4f} val_loss: {val(k):.4f}",
        head="Arguments(batch_size=8, momentum=0.9, weight_decay=1e-4)\nusing columns a,b,c,d\n",
    ),
    each(
        lambda k: f"[{k:02d}] train_loss={train(k):.4f} val_loss={val(k):.4f}",
        head="lr: 0.1\nbatch size: 8\nclasses: cat,dog,bird\n# seed 7\n\n",
    ),
]


@pytest.mark.parametrize("text", [*PARTS, *COMPONENTS, *FIVE_EPOCHS, *BOOSTED, *CONFIGURATIONS], ids=first_line)
def test_overfitting_is_seen_however_it_is_written(text: str) -> None:
    assert grave(text) == {"R801"}
