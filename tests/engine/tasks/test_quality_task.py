"""The quality task: what a batch becomes, the figures it records, its options, and what it says of files."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.stats
import torch
from PIL import Image
from quality_small import CLUSTERS, SIZE, built, config_with, pictures, splits_of
from torch import Tensor, nn
from torch.nn import functional as F

from trainctl.engine.config.presets import preset_names
from trainctl.engine.data.batch import Batch, Split, Splits
from trainctl.engine.data.quality.made import kinds
from trainctl.engine.errors import UserError
from trainctl.engine.losses.clustering import balance_loss, cluster_loss, entropy_loss
from trainctl.engine.models.quality.net import KINDS
from trainctl.engine.tasks.configured import resolve
from trainctl.engine.tasks.quality.config import QualityConfig
from trainctl.engine.tasks.quality.task import AVERAGE, WEIGHTS, QualityTask, kind_index
from trainctl.engine.tasks.registry import task_type
from trainctl.engine.training.setup import assemble_run

EMPTY = Split({})


def gradients(parameters: Iterable[nn.Parameter]) -> list[Tensor]:
    return [torch.zeros_like(p) if p.grad is None else p.grad for p in parameters]


def total(terms: dict[str, Tensor] | Any) -> Tensor:
    return sum((WEIGHTS[name] * term for name, term in terms.items()), torch.zeros(()))


# --- a step ---------------------------------------------------------------------------------------------------


def test_the_registry_finds_it() -> None:
    assert task_type("quality") is QualityTask
    assert (QualityTask.monitor.metric, QualityTask.monitor.mode) == ("srcc", "max")
    assert QualityTask.config_type is QualityConfig


def test_a_step_gives_the_four_terms_of_the_document() -> None:
    task, model, batch = built()
    model.eval()
    output = task.step(model, batch)
    score, log_posteriors, _ = model(batch["images"])
    assert list(output.terms) == ["quality", "cluster", "balance", "entropy"] == list(task.default_weights())
    torch.testing.assert_close(output.terms["quality"], (score - batch["score"]).square().mean())
    torch.testing.assert_close(output.terms["cluster"], cluster_loss(log_posteriors))
    torch.testing.assert_close(output.terms["balance"], balance_loss(log_posteriors))
    torch.testing.assert_close(output.terms["entropy"], entropy_loss(log_posteriors))
    assert all(term.requires_grad and term.ndim == 0 for term in output.terms.values())


def test_a_network_that_tells_kinds_has_a_term_of_its_own() -> None:
    task, model, batch = built(model={"tells_kinds": True})
    output = task.step(model, batch)
    assert list(output.terms) == ["quality", "cluster", "balance", "entropy", "kind"] == list(task.default_weights())
    output.terms["kind"].backward()
    parts = {name for name, parameter in model.named_parameters() if parameter.grad is not None}
    assert {name.split(".")[0] for name in parts} == {"backbone", "kinds"}


def test_every_kind_has_a_number_of_its_own() -> None:
    made = kinds(pristine=True)
    number, level = (torch.tensor([getattr(kind, name) for kind in made]) for name in ("number", "level"))
    assert kind_index(number, level).tolist() == list(range(len(made))) == list(range(KINDS))


def test_every_sample_of_a_batch_is_counted_in_one_cluster() -> None:
    task, model, batch = built()
    output = task.step(model.eval(), batch)
    largest = output.columns["log_posteriors"].argmax(1)
    counts = [output.scalars[f"cluster.{k}"].item() for k in range(CLUSTERS)]
    assert counts == [(largest == k).sum().item() for k in range(CLUSTERS)]
    assert sum(counts) == len(batch["score"])
    assert max(counts) < len(batch["score"])
    assert output.scalars["max_posterior"].item() == -output.terms["cluster"].item()
    assert output.scalars["posterior_entropy"].item() == -output.terms["entropy"].item()
    assert not any(value.requires_grad for value in (*output.scalars.values(), *output.columns.values()))


def test_stored_pictures_become_floats_once() -> None:
    task = QualityTask(config_with())
    stored = pictures(4)
    prepared = task.prepare(stored)
    torch.testing.assert_close(prepared["images"], stored["images"].float() / 255)
    assert task.prepare(prepared) is prepared


def test_without_samples_the_mixture_is_left_as_it_was_drawn() -> None:
    """As a checkpoint is restored: its weights come afterwards."""
    model = QualityTask(config_with()).build_model(Splits(EMPTY, EMPTY))
    assert torch.equal(model.gmm.log_variances, torch.zeros_like(model.gmm.log_variances))


def test_pictures_too_small_for_the_network_are_refused_before_training() -> None:
    with pytest.raises(UserError, match=r"data\.image_size: 8 is too small"):
        QualityTask(config_with(data={"image_size": 8})).build_model(Splits(EMPTY, EMPTY))


# --- metrics --------------------------------------------------------------------------------------------------


def columns(count: int = 60, seed: int = 0) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    target = torch.rand(count, generator=generator).mul(10).round() / 10  # with ties
    return {
        "score": target + 0.3 * torch.randn(count, generator=generator),
        "target": target,
        "log_posteriors": (2 * torch.randn(count, 4, generator=generator)).log_softmax(1),
    }


def test_metrics_are_those_of_scipy() -> None:
    given = columns()
    found = QualityTask(config_with()).metrics(given)
    score, target = given["score"].double().numpy(), given["target"].double().numpy()
    posteriors = given["log_posteriors"].double().exp().numpy()
    counts = np.bincount(posteriors.argmax(1), minlength=4)
    assert found == {
        "srcc": pytest.approx(scipy.stats.spearmanr(score, target)[0], abs=1e-6),
        "plcc": pytest.approx(scipy.stats.pearsonr(score, target)[0], abs=1e-6),
        "rmse": pytest.approx(np.sqrt(np.mean((score - target) ** 2)), abs=1e-6),
        "max_posterior": pytest.approx(posteriors.max(1).mean(), abs=1e-6),
        "posterior_entropy": pytest.approx(scipy.stats.entropy(posteriors, axis=1).mean(), abs=1e-6),
        "cluster_ratio": pytest.approx(counts.max() / counts.min()),
        "empty_clusters": 0.0,
    }


def test_a_constant_answer_has_no_correlation_and_still_an_error() -> None:
    found = QualityTask(config_with()).metrics({**columns(), "score": torch.full((60,), 0.5)})
    assert math.isnan(found["srcc"]) and math.isnan(found["plcc"])
    assert found["rmse"] > 0


def test_empty_clusters_are_counted_and_have_no_ratio() -> None:
    one_hot = torch.full((60, 4), -50.0)
    one_hot[:40, 0] = one_hot[40:, 2] = 0.0
    found = QualityTask(config_with()).metrics({**columns(), "log_posteriors": one_hot})
    assert found["empty_clusters"] == 2
    assert math.isnan(found["cluster_ratio"])


def test_the_floor_is_what_the_mean_score_reaches() -> None:
    task, split = QualityTask(config_with()), splits_of().val
    target = split.tensors["score"]
    reached = task.metrics({**columns(len(target)), "target": target, "score": target.mean().expand(len(target))})
    floor = task.constant_metrics(split)
    assert floor["rmse"] == pytest.approx(reached["rmse"], abs=1e-6)
    assert floor["quality"] == pytest.approx(F.mse_loss(target.mean().expand(len(target)), target).item(), abs=1e-6)
    assert (floor["srcc"], floor["plcc"]) == (0, 0)


@pytest.mark.parametrize("weight", [0.5, 1.0, 2.0])
def test_the_loss_of_the_mean_score_follows_its_weight_where_it_is_known(weight: float) -> None:
    split = splits_of().val
    alone = {"quality": weight, "cluster": 0.0, "balance": 0.0, "entropy": 0.0}
    floor = QualityTask(config_with(loss_weights=alone)).constant_metrics(split)
    assert floor["loss"] == pytest.approx(weight * float(split.tensors["score"].double().var(correction=0)))
    assert floor["quality"] == pytest.approx(floor["loss"] / weight)
    assert "loss" not in QualityTask(config_with(loss_weights={**alone, "entropy": 0.1})).constant_metrics(split)


def test_the_worst_samples_are_described_by_distortion_level_and_scores() -> None:
    task = QualityTask(config_with())
    given = {
        "type": torch.tensor([10, 0]),
        "level": torch.tensor([4, 0]),
        "target": torch.tensor([0.2375, 1.0]),
        "score": torch.tensor([0.614, -0.02]),
    }
    assert task.describe_samples(given) == [("jpeg 4 0.24", "0.61"), ("pristine 1.00", "-0.02")]
    torch.testing.assert_close(task.sample_losses(given), torch.tensor([0.1418, 1.0404]), atol=1e-4, rtol=0)


# --- options --------------------------------------------------------------------------------------------------


def flipped(batch: Batch, other: Batch) -> list[bool]:
    """Which pictures of `other` are mirrored; each is either that or unchanged."""
    pairs = list(zip(batch["images"], other["images"], strict=True))
    found = [torch.equal(new, old.flip(2)) for old, new in pairs]
    assert all(is_flipped or torch.equal(old, new) for is_flipped, (old, new) in zip(found, pairs, strict=True))
    return found


def test_flips_are_drawn_from_the_run_s_generator_alone() -> None:
    task, _, batch = built(augment={"hflip": 0.5})
    before = torch.get_rng_state()
    first = flipped(batch, task.augment(batch, torch.Generator().manual_seed(7)))
    torch.rand(5)
    again = flipped(batch, task.augment(batch, torch.Generator().manual_seed(7)))
    other = flipped(batch, task.augment(batch, torch.Generator().manual_seed(8)))
    assert first == again != other
    assert 4 < sum(first) < 28
    torch.set_rng_state(before)


def test_without_flips_nothing_is_drawn_and_with_certainty_all_are_mirrored() -> None:
    task, _, batch = built()
    generator = torch.Generator().manual_seed(0)
    before = generator.get_state()
    assert task.augment(batch, generator) is batch
    assert torch.equal(generator.get_state(), before)
    always = built(augment={"hflip": 1.0})[0].augment(batch, generator)
    assert all(flipped(batch, always))
    assert torch.equal(always["score"], batch["score"])


def test_training_sees_a_piece_of_each_picture() -> None:
    images = torch.rand(32, 3, SIZE + 4, SIZE + 4)
    task = QualityTask(config_with(augment={"crop": SIZE}, data={"image_size": SIZE + 4}))
    pieces = task.augment({"images": images}, torch.Generator().manual_seed(0))["images"]
    assert pieces.shape == (32, 3, SIZE, SIZE)
    places = [
        [(y, x) for y in range(5) for x in range(5) if torch.equal(image[:, y : y + SIZE, x : x + SIZE], piece)]
        for image, piece in zip(images, pieces, strict=True)
    ]
    assert all(len(found) == 1 for found in places)
    assert len({found[0] for found in places}) > 10


def test_a_piece_of_which_the_network_leaves_nothing_is_refused_before_training() -> None:
    with pytest.raises(UserError, match=r"augment\.crop=8 leaves the network nothing"):
        QualityTask(config_with(augment={"crop": 8})).build_model(Splits(EMPTY, EMPTY))


def test_a_piece_as_large_as_the_picture_is_the_picture() -> None:
    task, _, batch = built(augment={"crop": SIZE + 9})
    assert task.augment(batch, torch.Generator()) is batch


def seen_images(model: nn.Module) -> list[Tensor]:
    """A list that fills with the pictures that the network is given."""
    seen: list[Tensor] = []
    model.register_forward_pre_hook(lambda _, args: seen.append(args[0].detach().clone()))
    return seen


def test_adversarial_pictures_differ_by_the_step_wherever_they_are_not_clipped() -> None:
    eps = 0.05
    task, model, batch = built(loss={"fgsm": eps})
    seen = seen_images(model)
    clean = batch["images"].clone()
    task.step(model, batch)
    moved = seen[-1]
    assert torch.equal(batch["images"], clean)
    assert moved.min() >= 0 and moved.max() <= 1
    inside = (moved > 0) & (moved < 1)
    torch.testing.assert_close((moved - clean).abs()[inside], torch.full_like(moved, eps)[inside])
    assert inside.float().mean() > 0.8
    assert (moved > clean).any() and (moved < clean).any()


def test_adversarial_pictures_are_worse_for_the_network() -> None:
    task, model, batch = built(loss={"fgsm": 0.02})
    model.eval()  # the statistics of a batch would be part of the attack
    seen = seen_images(model)
    output = task.step(model, batch)
    losses = [F.mse_loss(model(images)[0], batch["score"]).item() for images in (batch["images"], seen[-1])]
    assert losses[1] > losses[0]
    assert output.terms["quality"].item() == pytest.approx(sum(losses) / 2, rel=1e-5)


def test_adversarial_training_changes_gradients_and_leaves_none_on_the_pictures() -> None:
    found = []
    for eps in (0.0, 0.1):
        task, model, batch = built(loss={"fgsm": eps})
        output = task.step(model, batch)
        assert all(p.grad is None for p in model.parameters())
        assert batch["images"].grad is None and not batch["images"].requires_grad
        total(output.terms).backward()
        found.append(gradients(model.backbone.parameters()))
    assert any((a - b).abs().max() > 1e-5 for a, b in zip(*found, strict=True))


@pytest.mark.parametrize("context", [torch.no_grad, torch.inference_mode])
def test_validation_is_not_attacked(context: Any) -> None:
    task, model, batch = built(loss={"fgsm": 0.1})
    seen = seen_images(model)
    with context():
        task.step(model, batch)
    assert len(seen) == 1 and torch.equal(seen[0], batch["images"])


def test_balance_over_an_average_moves_a_buffer_that_is_kept_with_the_weights() -> None:
    task, model, batch = built(loss={"balance_over": "average", "balance_momentum": 0.75})
    uniform = torch.full((CLUSTERS,), 1 / CLUSTERS)
    torch.testing.assert_close(model.state_dict()[AVERAGE], uniform)
    output = task.step(model, batch)
    expected = 0.75 * uniform + 0.25 * output.columns["log_posteriors"].exp().mean(0)
    torch.testing.assert_close(model.state_dict()[AVERAGE], expected)
    torch.testing.assert_close(
        output.terms["balance"], (expected * expected.log()).sum() + math.log(CLUSTERS), atol=1e-6, rtol=1e-4
    )
    output.terms["balance"].backward()
    assert model.gmm.means.grad is not None and model.gmm.means.grad.abs().max() > 0
    assert not model.state_dict()[AVERAGE].requires_grad


def test_a_validation_leaves_the_average_and_is_of_its_own_batch() -> None:
    task, model, batch = built(loss={"balance_over": "average"})
    task.step(model, batch)
    before = model.state_dict()[AVERAGE].clone()
    with torch.inference_mode():
        output = task.step(model, batch)
    assert torch.equal(model.state_dict()[AVERAGE], before)
    torch.testing.assert_close(output.terms["balance"], balance_loss(output.columns["log_posteriors"]))


@pytest.mark.parametrize("reaches", [True, False])
def test_terms_on_posteriors_reach_the_backbone_only_where_they_may(reaches: bool) -> None:
    task, model, batch = built(model={"projection": 6, "mixture_gradient": reaches})
    terms = task.step(model, batch).terms
    (terms["cluster"] + terms["balance"] + terms["entropy"]).backward()
    assert any(bool(g.any()) for g in gradients(model.backbone.parameters())) is reaches
    for part in (model.projection, model.gmm):
        assert any(bool(g.any()) for g in gradients(part.parameters()))
    model.zero_grad()
    task.step(model, batch).terms["quality"].backward()
    assert any(bool(g.any()) for g in gradients(model.backbone.parameters()))


# --- files ----------------------------------------------------------------------------------------------------


def photograph(path: Path, size: tuple[int, int] = (20, 30)) -> Path:
    rng = np.random.default_rng(len(path.name))
    Image.fromarray(rng.integers(0, 256, (*size, 3), dtype=np.uint8)).save(path)
    return path


def test_files_are_cut_to_their_middle_and_scored(tmp_path: Path) -> None:
    task, model, _ = built()
    paths = [photograph(tmp_path / name) for name in ("one.png", "second.png")]
    batch = task.read_files(paths)
    whole = torch.from_numpy(np.array(Image.open(paths[1]))).permute(2, 0, 1)
    assert torch.equal(batch["images"][1], whole[:, 2:18, 7:23])
    with torch.inference_mode():
        score, log_posteriors, _ = model.eval()(batch["images"] / 255)
        found = task.predict(model, task.prepare(batch))
    torch.testing.assert_close(found["score"], score)
    assert torch.equal(found["cluster"], log_posteriors.argmax(1))


def test_a_file_that_is_too_small_or_broken_is_one_line(tmp_path: Path) -> None:
    task = QualityTask(config_with())
    good, small = photograph(tmp_path / "good.png"), photograph(tmp_path / "small.png", (12, 30))
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"\xff\xd8\xff not really")
    for file, says in ((small, f"30×12 pixels are fewer than {SIZE}×{SIZE}"), (broken, "broken.jpg")):
        with pytest.raises(UserError) as caught:
            task.read_files([good, file])
        assert str(file) in str(caught.value) and says in str(caught.value)
        assert "\n" not in str(caught.value)


# --- presets --------------------------------------------------------------------------------------------------

TINY = [
    *("data.references=4", "data.images=64", "data.image_size=16", "model.width=4", "model.hidden=[8]"),
    *("train.batch_size=16", "runtime.device=cpu", "runtime.threads=1"),
]
PRESETS = [name.rpartition("/")[2] for name in preset_names("quality")]


def test_there_are_the_presets_of_the_document_and_ours() -> None:
    assert {"original", "balanced", "strong-balance", "balance-only", "with-refit", "repaired"} == set(PRESETS)


@pytest.mark.parametrize("scale", ["small", "full"])
@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_builds_and_takes_steps(name: str, scale: Any) -> None:
    resolved = resolve(f"quality/{name}", scale=scale, overrides=TINY)
    assert resolved.config.loss_weights
    run = assemble_run(resolved.config, QualityTask, None)
    task, model, train = run.task, run.state.model, run.splits.train
    assert set(resolved.config.loss_weights) | {"kind"} >= set(task.default_weights()) >= set(WEIGHTS)
    before = [p.detach().clone() for p in model.parameters()]
    for _, rows in zip(range(2), task.sampler(train).batches(0), strict=False):
        batch = task.prepare({key: tensor[rows] for key, tensor in train.tensors.items()})
        terms = task.step(model, task.augment(batch, run.state.generator)).terms
        weights = {**task.default_weights(), **resolved.config.loss_weights}
        loss = sum((weights[key] * term for key, term in terms.items()), torch.zeros(()))
        assert math.isfinite(loss.item())
        loss.backward()
        run.state.optimizer.step()
    assert any(not torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))
