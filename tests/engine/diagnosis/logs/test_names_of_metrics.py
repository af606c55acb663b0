"""What a name means by itself: the metrics of many fields with the way that is better, losses and counters."""

from __future__ import annotations

import pytest

from trainctl.engine.diagnosis.logs.names import Kind, meaning_of, step_unit

SHARES = (
    "Prec@1 Prec@5 Acc@1 jaccard wacc fwIoU mDice aAcc AR coco/AR mAP50 mAP_50 map_50_95 NDCG@10 MRR HR@10 Hits@1 R@5 "
    "uar exact_match em STOI norm_ED norm_edit_dis lrap bacc ac Iter_top1 top_k_accuracy pckh"
)
ERRORS = (
    "CER WER PER TER EER minDCF minADE NMSE mean_poisson_deviance gamma-deviance EPE fid50k_full FID KID LPIPS Brier "
    "HD95 abs_rel sq_rel silog MAPE SMAPE CRPS mpjpe DER perplexity val_err"
)
SCORES = "PSNR SSIM BLEU bleu_4 sacrebleu chrF++ rougeLsum ROUGE-1 METEOR CIDEr SI-SNR si_sdr PESQ MOS R2 is50k score"
CORRELATIONS = "MCC srcc qwk kappa ccc ari test/rho"
LOSSES = "rmse val_mae poisson-nloglik pinball bits/dim bpc val_loss trainloss lossvalue Iter_loss dloss lossG err_d"
UNKNOWN = (
    "neg_mean_squared_error ECE delta a1 hr rho delta1 distance Discriminator_Accuracy d_acc critic_acc weight_decay"
)


def kinds(names: str) -> dict[str, Kind]:
    return {name: meaning_of(name).kind for name in names.split()}


@pytest.mark.parametrize(
    ("names", "kind"),
    [(SHARES, Kind.RATE), (ERRORS, Kind.ERROR), (SCORES, Kind.SCORE), (CORRELATIONS, Kind.CORRELATION)],
)
def test_a_metric_is_known_with_the_way_that_is_better(names: str, kind: Kind) -> None:
    assert {name: found for name, found in kinds(names).items() if found is not kind} == {}


def test_losses_by_their_usual_names_and_two_words_in_one() -> None:
    assert {name for name, kind in kinds(LOSSES).items() if kind not in (Kind.TOTAL, Kind.TERM)} == set()
    assert [meaning_of(name).split for name in ("trainloss", "valacc", "lossvalue", "oof-rmse")] == [
        "train",
        "val",
        "",
        "val",
    ]


def test_what_no_way_is_known_of_is_not_judged() -> None:
    assert {name for name, kind in kinds(UNKNOWN).items() if kind is not Kind.OTHER} == set()


@pytest.mark.parametrize("name", ["IoU.error", "Acc.error", "AP/wall", "Dice.weight", "test/IoU.error"])
def test_behind_a_score_and_a_dot_any_word_is_a_class(name: str) -> None:
    assert meaning_of(name).kind is Kind.RATE


@pytest.mark.parametrize(
    ("name", "kind", "split"),
    [
        ("dice_loss", Kind.TERM, ""),
        ("Dice/loss", Kind.TERM, ""),
        ("accuracy/train", Kind.RATE, "train"),
        ("word.error", Kind.ERROR, ""),
        ("acc_err", Kind.ERROR, ""),
        ("jaccard_distance", Kind.OTHER, ""),
        ("acc/std", Kind.OTHER, ""),
        ("mAP/best", Kind.OTHER, ""),
        ("ap/time", Kind.TIME, ""),
    ],
)
def test_what_only_looks_like_a_class(name: str, kind: Kind, split: str) -> None:
    assert (meaning_of(name).kind, meaning_of(name).split) == (kind, split)


@pytest.mark.parametrize(
    ("name", "unit"),
    [
        ("frame", "timestep"),
        ("TimestepsSoFar", "timestep"),
        ("TotalEnvSteps", "timestep"),
        ("num_env_steps", "timestep"),
        ("TotalEnvInteracts", "timestep"),
        ("EpisodesSoFar", "episode"),
        ("num_episodes", "episode"),
        ("TimeElapsed", "second"),
        ("n_updates", ""),
        ("n_steps", ""),
        ("Iter acc", ""),
    ],
)
def test_what_a_counter_counts(name: str, unit: str) -> None:
    assert step_unit(name) == unit


@pytest.mark.parametrize(
    ("name", "plain"), [("검증 손실", "val_loss"), ("検証損失", "val_loss"), ("正解率", "accuracy"), ("학습률", "lr")]
)
def test_words_of_other_languages(name: str, plain: str) -> None:
    assert (meaning_of(name).kind, meaning_of(name).split) == (meaning_of(plain).kind, meaning_of(plain).split)
