"""What a name means by the names, rows and values beside it."""

from __future__ import annotations

import numpy as np
import pytest
from courses import found, grave, noise
from log_files import each

from trainctl.engine.diagnosis.logs.facts import LogFacts, read_facts
from trainctl.engine.diagnosis.logs.names import Kind
from trainctl.engine.diagnosis.logs.reading import parse_log

EPOCHS = 24


def read(text: str) -> LogFacts:
    return read_facts(parse_log(text.encode(), "log"))


def table(names: str, count: int = 8, first: str = "epoch") -> LogFacts:
    """Each name falls from 1, a little later than the one before."""
    width = names.count(",") + 1
    line = lambda k: ",".join([str(k), *(f"{1 / (k + 1 + at / 8):.4f}" for at in range(width))])  # noqa: E731
    return read(each(line, count, f"{first},{names}\n"))


def split(log: LogFacts) -> dict[str, str]:
    return {series.name: series.meaning.split for series in log.series}


@pytest.mark.parametrize("mark", ["val_", "valid_", "test_", "dev_", "eval_"])
def test_a_bare_name_beside_that_of_a_validation_is_of_the_training(mark: str) -> None:
    log = table(f"loss,accuracy,recall,{mark}loss,{mark}acc,{mark}recall")
    assert [split(log)[name] for name in ("loss", "accuracy", "recall")] == ["train"] * 3


def test_a_bare_metric_in_each_row_of_the_loss_is_of_the_training() -> None:
    assert split(table("loss,accuracy")) == {"loss": "train", "accuracy": "train"}
    assert split(table("main/loss,main/accuracy,validation/main/loss,validation/main/accuracy"))["main/accuracy"] == (
        "train"
    )


def test_a_bare_metric_that_may_be_of_either_stays_bare() -> None:
    assert split(table("train_loss,val_loss,accuracy"))["accuracy"] == ""
    assert split(table("loss,val_loss,f1"))["f1"] == ""
    rows = each(lambda k: f"iter {k} loss {2 - k / 90:.3f}" + (f"\nmAP {k / 40:.3f}" if k % 5 == 4 else ""), 40)
    assert split(read(rows)) == {"loss": "train", "mAP": ""}


def test_a_bare_figure_that_is_told_far_more_often_than_that_of_the_training() -> None:
    text = each(lambda k: f"step {k} acc: {k / 40:.2f} ppl: {20 / (k + 1):.2f}", 20)
    log = read(
        text + "Train perplexity: 1.05 Train accuracy: 0.50\nValidation perplexity: 2.5 Validation accuracy: 0.4\n"
    )
    assert (split(log)["acc"], split(log)["ppl"]) == ("train", "train")


def swinging(k: int, deviation: float) -> str:
    shares = 0.7 + noise(EPOCHS, deviation, 3)
    steady = [0.6 + 0.3 * (1 - 1 / (at + 1)) for at in range(EPOCHS)]
    figures = [1 / (k + 1), steady[k], steady[k], steady[k], 0.6, *(shares[k] + at / 500 for at in range(3))]
    return ",".join([str(k), *(f"{one:.4f}" for one in figures)])


HEAD = "epoch,loss,accuracy,precision,recall,val_loss,val_accuracy,val_precision,val_recall\n"


def test_steady_figures_of_the_training_hide_no_validation_that_swings() -> None:
    assert "E1018" in grave(each(lambda k: swinging(k, 0.2), EPOCHS, HEAD))
    assert "E1018" not in grave(each(lambda k: swinging(k, 0.004), EPOCHS, HEAD))


def test_figures_of_single_batches_are_no_validation() -> None:
    rate = 0.5 + noise(60, 0.2, 1)
    report = grave(each(lambda k: f"iter {k}: loss {2 - k / 60:.3f} acc {abs(rate[k]):.3f}", 60))
    assert not report & {"E1018", "E1015"}


@pytest.mark.parametrize("mark", [".", "/", "_", "-"])
def test_a_class_may_be_called_like_an_error_or_a_part_of_the_training(mark: str) -> None:
    classes = ["car", "road", "wall", "fence", "error", "train", "sky"]
    log = table(",".join(f"IoU{mark}{name}" for name in classes))
    assert {series.meaning.kind for series in log.series} == {Kind.RATE}
    assert set(split(log).values()) == {""}


def test_a_part_of_the_training_behind_a_score_stays_one() -> None:
    log = table("accuracy/train,accuracy/val,accuracy/top5")
    assert split(log)["accuracy/val"] == "val"


@pytest.mark.parametrize("names", ["AverageEpRet,LossPi,LossV,Entropy,KL,ClipFrac", "loss,policy loss,entropy,kl"])
def test_entropy_and_divergence_of_a_policy_are_its_own(names: str) -> None:
    log = table(names)
    assert not log.of(Kind.ENTROPY)
    assert [series.name.lower() for series in log.of(Kind.KL)] == ["kl"]


def test_entropy_of_posteriors_and_a_divergence_of_a_loss_remain() -> None:
    log = table("loss,recon_loss,kl_loss,entropy")
    assert [series.name for series in log.of(Kind.ENTROPY)] == ["entropy"]
    assert [series.meaning.term for series in log.of(Kind.TERM)] == ["recon", "kl"]


def test_an_estimated_divergence_of_a_policy_may_be_below_zero() -> None:
    line = lambda k: f"{k},{(-1) ** k * 1e-3:.6f},{k}.0"  # noqa: E731
    assert "E1011" not in found(each(line, 30, "step,kl,reward\n"))
    assert "E1011" in found(each(line, 30, "step,kl_loss,samples\n"))


def test_a_bare_accuracy_beside_rivals_is_of_the_one_that_tells_apart() -> None:
    assert not table("d_loss,g_loss,acc").of(Kind.RATE)
    assert table("loss,aux_loss,acc").of(Kind.RATE)


@pytest.mark.parametrize(
    ("name", "value", "kind"),
    [
        ("learn", lambda k: 0.7 - k / 100, Kind.TOTAL),
        ("learn", lambda k: 0.7 + (-1) ** k / 100, Kind.OTHER),
        ("Score", lambda k: 2.0 - k / 100, Kind.TOTAL),
        ("Score", lambda k: 0.2 + k / 100, Kind.SCORE),
        ("Grad", lambda k: 70000.0 + k, Kind.GRAD_NORM),
        ("Grad", lambda k: (-1) ** k * 0.1, Kind.OTHER),
    ],
)
def test_what_is_named_alone_is_told_by_its_course(name: str, value: object, kind: Kind) -> None:
    assert callable(value)
    log = read(each(lambda k: f"{k},{value(k):.4f},{k % 3}", 20, f"step,{name},other\n"))
    assert log.series[0].meaning.kind is kind


def test_a_score_beside_a_loss_is_no_loss() -> None:
    assert table("loss,score").of(Kind.SCORE)


def test_rho_is_a_correlation_only_where_it_varies_beside_a_metric() -> None:
    line = lambda k: f"{k},{1 / (k + 1):.4f},{1 - 1 / (k + 1):.4f}"  # noqa: E731
    assert read(each(line, 9, "epoch,nmse,rho\n")).of(Kind.CORRELATION)
    assert not read(each(lambda k: f"{k},{1 / (k + 1):.4f},0.95", 9, "epoch,nmse,rho\n")).of(Kind.CORRELATION)


def test_rows_with_a_validation_each_are_epochs() -> None:
    line = lambda k: f"{1 / (k + 1):.4f},{1 / (k + 1.5):.4f}"  # noqa: E731
    assert read(each(line, 6, "loss,val_loss\n")).table.epochs.tolist() == [1, 2, 3, 4, 5, 6]
    assert not np.isfinite(read(each(line, 6, "loss,accuracy\n")).table.epochs).any()
    placed = read(each(lambda k: f"{k * 250},{line(k)}", 6, "step,loss,val_loss\n"))
    assert not np.isfinite(placed.table.epochs).any()
