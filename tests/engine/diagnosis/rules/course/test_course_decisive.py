"""Values that decide by themselves, few as they are: each fault beside a healthy twin."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from courses import NAN, epochs, falling, found, grave, noise, steps
from log_files import Row, as_csv

from trainctl.engine.diagnosis.differential import diagnose
from trainctl.engine.diagnosis.facts.evidence import Evidence
from trainctl.engine.diagnosis.finding import Report, Severity, Verdict
from trainctl.engine.diagnosis.logs.facts import read_facts
from trainctl.engine.diagnosis.logs.reading import parse_log

SWINGING = [4.5, 3.3, 7.4, 3.8, 3.4, 7.0, 2.9, 6.1, 3.0, 6.6, 2.4, 5.8, 3.9]


def judged(rows: Sequence[Row] | str) -> Report:
    text = rows if isinstance(rows, str) else as_csv(rows)
    return diagnose(Evidence(log=read_facts(parse_log(text.encode(), "log"))))


# ---- what cannot be


@pytest.mark.parametrize("name", ["valid_auc", "val_accuracy", "val_dice", "val_f1"])
def test_a_share_just_above_one_is_impossible(name: str) -> None:
    values = np.linspace(0.998, 1.0004, 20).round(5)
    rows = epochs(val_loss=0.2 * np.exp(-np.arange(20) / 10) + 0.05, **{name: values})
    assert "E1011" in grave(rows)
    assert "E1011" not in grave(epochs(val_loss=[row["val_loss"] for row in rows], **{name: values.clip(0, 1)}))


def test_a_percentage_about_one_is_a_network_at_chance() -> None:
    chance = [0.97, 1.02, 0.99, 1.03, 1.01, 1.0, 0.98, 1.04]
    assert "E1011" not in grave(epochs(val_loss=np.linspace(4.62, 4.6, 8), val_accuracy=chance))
    assert "E1011" not in grave(epochs(val_accuracy=chance, loss=falling(8)))


def test_losses_on_boxes_are_never_negative() -> None:
    parts = {"cls_loss": [5.0, 4.9, 4.8], "dfl_loss": [2.9, 2.9, 2.8]}
    assert found(epochs(box_loss=[-0.23, -0.229, -0.228], **parts))["C305"].severity is Severity.WARNING
    assert "C305" not in found(epochs(box_loss=[0.23, 0.229, 0.228], **parts))
    assert "C305" not in found(epochs(cls_loss=[-5.0, -4.9, -4.8], dis_loss=[1.0, 0.9, 0.8])), "of no boxes"
    assert found(epochs(mse_loss=[-0.2, -0.3, -0.4], kl_loss=[1.0, 0.9, 0.8]))["C305"].severity is Severity.ERROR


def test_minus_an_overlap_is_a_loss_down_to_minus_one() -> None:
    assert "C305" not in found(epochs(dice_loss=[-0.4, -0.7, -0.9], ce_loss=[1.0, 0.5, 0.2]))
    assert found(epochs(dice_loss=[-0.4, -0.9, -1.3], ce_loss=[1.0, 0.5, 0.2]))["C305"].severity is Severity.INFO


def test_a_hinge_of_a_player_may_be_negative() -> None:
    assert "C305" not in found(steps(g_hinge_loss=[-0.4, -0.7, -0.9], d_hinge_loss=[1.0, 0.5, 0.2]))


@pytest.mark.parametrize("sign", [-1.0, 1.0])
def test_a_loss_beyond_all_measure_in_a_few_values(sign: float) -> None:
    huge = [8.28, sign * 2e17, 8.31, 8.35, 8.34, sign * 6e16]
    assert "O601" in grave(epochs(loss=huge))
    assert "O601" not in grave(epochs(loss=[8.28, 8.2, 8.31, 8.35, 8.34, 8.3]))
    assert "O601" not in grave(epochs(loss=[2e11, 1.9e11, 1.7e11, 1.6e11, 1.5e11, 1.4e11])), (
        "a sum, as large from first"
    )


def test_a_loss_scale_far_below_one_that_still_falls_needs_no_more() -> None:
    assert "N902" in grave(steps(loss=[2.0, 1.9], loss_scale=[1.5e-5, 7.6e-6]))
    assert "N902" not in grave(steps(loss=[2.0, 1.9], loss_scale=[32768.0, 16384.0]))
    assert "N902" not in grave(steps(loss=[2.0, 1.9], loss_scale=[0.5, 0.25])), "a loss that is a sum may need that"


def test_a_scale_that_only_comes_down_while_the_validation_rises() -> None:
    def scaled(last: float, up: bool) -> list[Row]:
        rows: list[Row] = [{"step": k, "val_loss": 0.15} for k in range(4)]
        scales = 256.0 * 0.5 ** np.arange(8)
        scales = scales[::-1][[0, 1, 2, 3, 4, 5, 6, 7]] if up else scales
        rows += [{"step": 4 + k, "loss_scale": float(scale)} for k, scale in enumerate(scales)]
        return [*rows, {"step": 12, "val_loss": last}]

    assert found(scaled(0.7, up=False))["N902"].severity is Severity.WARNING
    assert "N902" not in found(scaled(0.14, up=False))
    assert "N902" not in found(scaled(0.7, up=True))


def test_every_answer_right_from_the_first_value_on() -> None:
    known = {"train_loss": [0.0] * 8, "train_accuracy": [1.0] * 8}
    first = "".join(f"step: {k} train_loss: 0.0000 train_accuracy: 1.0000\n" for k in range(1, 9))
    later = "".join(f"step: {k} train_loss: 0.0000 train_accuracy: 1.0000\n" for k in range(501, 509))
    learned = "".join(f"step: {k} train_loss: {max(0.4 - k / 9, 0):.4f} train_accuracy: 1.0000\n" for k in range(1, 9))
    assert found(steps(**known))["O604"].severity is Severity.WARNING
    assert found(first)["O604"].severity is Severity.WARNING
    assert found(later)["O604"].severity is Severity.INFO
    assert "O604" not in found(learned)


def test_a_generator_that_is_believed_in_everything_learns_nothing() -> None:
    judge = [60.0 + k for k in range(12)]
    assert "C320" in grave(steps(d_loss=judge, g_loss=[0.0] * 12))
    assert "C320" not in grave(steps(d_loss=[0.6 + 0.01 * k for k in range(12)], g_loss=[0.0] * 12))
    assert "C320" not in grave(steps(d_loss=judge, g_loss=[0.5] * 12))


def test_a_discriminator_that_is_ahead_for_a_few_values_is_an_information() -> None:
    certain = {"d_loss": [0.0] * 6, "g_loss": [9.2, 9.5, 8.5, 9.9, 12.0, 7.4]}
    assert found(steps(**certain))["C320"].severity is Severity.INFO
    lost = {"d_loss": [1e-6] * 30, "g_loss": [40.0 + k / 10 for k in range(30)]}
    assert found(steps(**lost))["C320"].severity is Severity.WARNING


# ---- evaluations


def test_a_validation_that_is_the_training_to_all_digits() -> None:
    accuracy = [0.9627, 0.9723, 0.973, 0.9723, 0.9694, 0.9781, 0.972, 0.9768]
    loss = falling(8)
    same = {"Train Top1 Acc": accuracy, "Test Accuracy": accuracy}
    assert found(epochs(train_loss=loss, **same))["E1010"].severity is Severity.WARNING
    assert "E1010" in grave(epochs(train_loss=loss.round(4), val_loss=loss.round(4)))
    other = [*accuracy[:-1], 0.9712]
    assert "E1010" not in found(epochs(train_loss=loss, **{"Train Top1 Acc": accuracy, "Test Accuracy": other}))
    ones = [1.0] * 8
    assert "E1010" not in found(epochs(train_loss=loss, **{"Train Acc": ones, "Test Acc": ones}))
    still = [0.5123] * 8
    assert "E1010" not in found(epochs(train_loss=loss, **{"Train Acc": still, "Test Acc": still})), "constant"
    rough = [0.5, 0.6, 0.7, 0.8, 0.8, 0.9, 0.9, 0.9]
    assert "E1010" not in found(epochs(train_loss=loss, **{"Train Acc": rough, "Test Acc": rough})), "one digit"


def test_an_evaluation_on_no_labels() -> None:
    def scored(gold: int, score: float) -> str:
        rows = [
            f"epoch: {k} loss: {2 / k:.3f} gold_num: {gold} test p: {score} test r: {score} test f: {score}\n"
            for k in (1, 2)
        ]
        return "".join(rows)

    assert found(scored(0, -1.0))["E1014"].severity is Severity.WARNING
    assert found(scored(60, -1.0))["E1014"].severity is Severity.INFO
    assert "E1014" not in found(scored(60, 0.4))
    assert "E1014" not in found(epochs(loss=falling(6), AP_s=[-1.0] * 6, AP=[0.3] * 6)), "COCO"


def test_an_overlap_that_is_never_more_than_zero() -> None:
    loss = falling(12, 6.0)
    assert found(epochs(loss=loss[:6], dice=[0.0] * 6))["E1008"].severity is Severity.INFO
    assert "E1008" not in found(epochs(loss=loss[:6], dice=[0.0, 0.0, 0.1, 0.2, 0.3, 0.3]))
    assert "E1008" not in found(epochs(loss=loss, mAP50=[0.0] * 12)), "boxes come late"


def test_rewards_that_are_no_longer_told() -> None:
    told = [-83.0, -48.0, -37.0]
    assert found(steps(mean_reward=[*told, NAN, NAN, NAN]))["E1016"].severity is Severity.WARNING
    assert "E1016" not in found(steps(mean_reward=[*told, NAN, -30.0, NAN])), "no episode ended in between"
    assert "E1016" not in found(steps(mean_reward=told))


def test_a_reward_that_was_gained_and_lost() -> None:
    gained = np.linspace(2, 70, 12)
    rewards = [*gained, 60.0, 40.0, 20.0, 8.0, *([1.0, 0.5] * 4)]
    assert found(steps(mean_reward=rewards))["E1015"].severity is Severity.WARNING
    assert "E1015" not in found(steps(mean_reward=[*gained, *(70 + noise(12, 8.0))]))
    dipped = [*gained, 60.0, 40.0, 20.0, 8.0, 1.0, 10.0, 30.0, 50.0, 60.0, 66.0, 70.0, 71.0]
    assert "E1015" not in found(steps(mean_reward=dipped)), "recovered"
    harder = [float(k // 13) for k in range(24)]
    assert "E1015" not in found(steps(mean_reward=rewards, lesson=harder)), "another lesson"


def test_few_distances_have_no_hundred_percent() -> None:
    assert "E1015" not in found(epochs(loss=falling(4), val_fid=[40.0, 90.0, 95.0, 120.0]))
    assert "E1015" not in found(epochs(loss=falling(4), val_mpjpe=[60.0, 90.0, 95.0, 130.0]))
    assert "E1015" in found(epochs(loss=falling(4), val_wer=[40.0, 90.0, 95.0, 120.0]))


# ---- courses


def test_a_loss_that_swings_is_no_course() -> None:
    accuracy = np.linspace(0.44, 0.67, 13)
    report = judged(epochs(train_loss=SWINGING, val_acc=accuracy))
    assert report.verdict is Verdict.UNDECIDED and "swings" in report.scope.not_looked_at["course"]
    assert found(epochs(train_loss=SWINGING, val_acc=accuracy))["E1018"].severity is Severity.INFO
    assert judged(epochs(train_loss=falling(13), val_acc=accuracy)).verdict is Verdict.NOTHING


def test_a_validation_that_swings_was_not_looked_at() -> None:
    swinging = [16.5, 15.1, 14.8, 9.6, 13.3, 7.3, 12.6, 7.1, 10.8]
    accuracy = np.linspace(0.2, 0.5, 9)
    report = judged(epochs(train_loss=falling(9), val_loss=swinging, val_acc=accuracy))
    assert report.verdict is Verdict.UNDECIDED and "swings" in report.scope.not_looked_at["validation"]
    calm = [16.5, 15.1, 14.8, 12.6, 13.3, 10.3, 9.6, 8.1, 8.8]
    assert judged(epochs(train_loss=falling(9), val_loss=calm, val_acc=accuracy)).verdict is Verdict.NOTHING


def test_noise_that_is_left_in_a_later_part_is_no_swing() -> None:
    tiny = [1e-5 * value for value in SWINGING]
    rows = [{"epoch": 90 + k, "train_loss": value} for k, value in enumerate(tiny)]
    assert "E1018" not in found(rows)


def test_a_reward_about_nothing_has_gained_nothing() -> None:
    rewards = [0.0, 0.0, -0.05, -0.1, -0.05, 0.0, -0.1, 0.0, 0.0, 0.0, 0.0, -0.05] * 4
    lacks = judged(steps(episode_reward=rewards)).scope.not_looked_at["metrics"]
    assert lacks.startswith("never better")


def test_four_epochs_at_chance_with_two_witnesses() -> None:
    def told(accuracy: float, loss: float) -> str:
        losses, shares = [1.2, *[loss] * 3], [0.31, *[accuracy] * 3]
        pairs = enumerate(zip(losses, shares, strict=True), 1)
        return "".join(f"epoch {k} train_loss: {one:.4f} train_accuracy: {share:.4f}\n" for k, (one, share) in pairs)

    assert found(told(0.2498, 1.3864))["O604"].severity is Severity.WARNING
    assert "O604" not in found(told(0.4, 1.3864)), "it knows something"
    assert "O604" not in found(told(0.2498, 1.36)), "no closed form"


def test_an_answer_no_better_than_a_guess_after_many_epochs() -> None:
    def late(epoch: int, accuracy: float) -> str:
        losses = [1.8, 1.95, 2.09, 2.04, 1.99, 1.94, 1.91, 2.1]
        return "".join(
            f"Epoch: [{epoch + k // 4}][{k % 4 * 20}/64] Loss {loss:.4f} Prec@1 {accuracy + k % 2:.3f}\n"
            for k, loss in enumerate(losses)
        )

    assert found(late(620, 12.0))["O604"].severity is Severity.INFO
    assert "O604" not in found(late(0, 12.0)), "a beginning"
    assert "O604" not in found(late(620, 62.0)), "far above chance"


def test_a_sum_of_a_detectors_terms_is_of_no_classes() -> None:
    parts = {"train/box_loss": [0.8931] * 12, "train/cls_loss": [0.6], "train/dfl_loss": [0.5863]}
    rows = epochs(**{name: (values * 12)[:12] + noise(12, 1e-4) for name, values in parts.items()})
    one = found(rows).get("O604")
    assert one is None or "ln" not in one.why


def test_a_training_that_goes_on_worse_than_it_was() -> None:
    losses, shares = [0.18, 0.22, 0.4, 0.81, 0.76, 0.64], [94.5, 93.7, 89.1, 85.9, 80.5, 84.4]
    assert found(steps(loss=losses, acc=shares))["O601"].severity is Severity.INFO
    assert "O601" not in found(steps(loss=losses, acc=[94.5, 93.7, 94.1, 93.9, 94.5, 94.4]))
    assert "O601" not in found(steps(loss=[0.18, 0.22, 0.4, 0.3, 0.2, 0.19], acc=shares))


def test_a_total_that_is_no_number_though_its_terms_are() -> None:
    whole = found(epochs(loss=[NAN] * 4, ce_loss=[0.4, 0.3, 0.3, 0.2], mse_loss=[0.04] * 4))["N901"].why
    assert "ce_loss, mse_loss are finite there" in whole
    broken = found(epochs(loss=[NAN] * 4, ce_loss=[NAN] * 4, mse_loss=[0.04] * 4))["N901"].why
    assert "finite there" not in broken and "ce_loss alone" in broken
