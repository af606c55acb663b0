"""What is fitted to a user's eyes: sizes that suit the pictures and the network, epochs that suit the time."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any, cast

import pytest
from eyes_files import write_classes
from hypothesis import given
from hypothesis import strategies as st

from trainctl.engine.config.resolve import Resolved
from trainctl.engine.data.eyes.survey import Survey
from trainctl.engine.errors import UserError
from trainctl.engine.models.eyes.net import check_shape
from trainctl.engine.tasks.configured import resolve
from trainctl.engine.tasks.eyes import fit
from trainctl.engine.tasks.eyes.config import EyesConfig

SIDES = st.integers(2, 20_000)


def of(num_train: int) -> Survey:
    """Images of which a fifth validates."""
    return Survey(num_train * 5 // 4, num_train, ((24, 24),))


@pytest.mark.parametrize(
    ("native", "chosen"),
    [
        ((24, 24), (24, 24)),
        ((32, 64), (32, 64)),
        ((48, 96), (32, 64)),
        ((64, 64), (44, 44)),
        ((60, 100), (36, 60)),
        ((8, 8), (16, 16)),
        ((26, 34), (24, 32)),
        ((10_000, 10), (92, 24)),
    ],
)
def test_pictures_keep_their_shape_and_are_not_enlarged(native: tuple[int, int], chosen: tuple[int, int]) -> None:
    assert fit.image_size(*native) == chosen


@given(SIDES, SIDES, st.sampled_from(["baseline", "inverted_se"]), st.integers(1, 12))
def test_every_size_suits_the_networks_it_is_chosen_for(height: int, width: int, arch: str, blocks: int) -> None:
    size = fit.image_size(height, width)
    model = EyesConfig.model_validate({"model": {"arch": arch, "num_blocks": blocks, "base_channels": 4}}).model
    check_shape(model, size)
    assert size[0] * size[1] <= 1.2 * fit.MOST_PIXELS


@given(SIDES, SIDES)
def test_turned_pictures_have_turned_sizes(height: int, width: int) -> None:
    assert fit.image_size(width, height) == fit.image_size(height, width)[::-1]


@given(st.integers(400, 30_000), st.integers(16, 128), st.integers(16, 128))
def test_a_run_takes_its_time_and_no_more(num_train: int, height: int, width: int) -> None:
    size, updates = fit.image_size(height, width), num_train // 64
    epochs = fit.epochs(of(num_train), size, updates, fit.CHANNELS)
    work = epochs * num_train * 7 / 6 * size[0] * size[1] / fit.MOST_PIXELS
    assert work <= 1.3 * fit.WORK
    assert work >= 0.8 * fit.WORK or epochs * updates >= 0.9 * fit.MOST_STEPS or epochs == fit.MOST_EPOCHS


@given(st.integers(2, 100_000), st.sampled_from([1, 32, 64, 4096]))
def test_batches_of_few_images_are_smaller(num_train: int, usual: int) -> None:
    chosen = fit.batch_size(num_train, usual)
    assert chosen == usual or (fit.LEAST_BATCH <= chosen < usual and chosen & (chosen - 1) == 0)
    assert chosen in (usual, fit.LEAST_BATCH) or fit.LEAST_STEPS <= num_train / chosen < 2 * fit.LEAST_STEPS


def test_a_wider_network_of_the_users_own_takes_fewer_epochs() -> None:
    assert fit.epochs(of(10_000), (32, 64), 156, 64) < fit.epochs(of(10_000), (32, 64), 156, 32)


def test_a_large_validation_split_takes_its_share_of_the_time() -> None:
    large = Survey(40_000, 10_000, ((32, 64),))
    assert fit.epochs(large, (32, 64), 156, 32) < fit.epochs(of(10_000), (32, 64), 156, 32)


def fitted(data: Path, *overrides: str, preset: str = "balanced") -> tuple[EyesConfig, Resolved]:
    resolved = resolve(preset, scale="small", overrides=overrides, data=data)
    return cast("EyesConfig", resolved.config), resolved


def test_balanced_is_fitted_to_the_images_of_a_folder(tmp_path: Path) -> None:
    config, resolved = fitted(write_classes(tmp_path))
    assert (config.data.image_size, config.augment.crop_padding, config.optimizer.lr) == ((16, 16), 2, fit.LEAST_RATE)
    assert (config.train.batch_size, config.train.eval_every, config.train.epochs) == (16, 40, 280)
    assert {key for key, source in resolved.sources.items() if source.kind == "fitted"} == set(fit.FITTED)
    assert str(resolved.sources["train.epochs"]) == "fitted (to 20 images of 8x16)"
    assert "fitted to 20 images of 8x16: " in resolved.fit_note


def test_what_is_said_counts_for_what_is_not(tmp_path: Path) -> None:
    data = write_classes(tmp_path, 100)
    for said in ("train.batch_size=4", "train.batch_size=2", "train.accumulation=4", "model.base_channels=8"):
        train = fitted(data, "train.batch_size=8", said)[0].train
        channels = fitted(data, said)[0].model.base_channels
        updates = 160 // (train.batch_size * train.accumulation)
        assert train.epochs == fit.epochs(of(160), (16, 16), updates, channels, train.eval_every)
    large, resolved = fitted(data, "data.image_size=[512,1024]", "train.eval_every=1")
    assert large.train.epochs == fit.epochs(of(160), (512, 1024), 10, 32) < fit.epochs(of(160), (16, 16), 10, 32)
    assert resolved.sources["data.image_size"].kind == "command line"


@pytest.mark.parametrize("said", ["train.epochs=3", "train.max_steps=3"])
def test_a_run_whose_end_the_user_sets_is_validated_as_they_expect(said: str, tmp_path: Path) -> None:
    assert fitted(write_classes(tmp_path), said)[0].train.eval_every == 1


def test_the_last_epoch_is_validated(tmp_path: Path) -> None:
    for every in (1, 7, 40, 500):
        train = fitted(write_classes(tmp_path), f"train.eval_every={every}")[0].train
        assert train.epochs % train.eval_every == 0


def test_images_that_are_seen_a_few_times_are_not_shifted(tmp_path: Path) -> None:
    data = write_classes(tmp_path)
    assert fitted(data, f"train.epochs={fit.OFTEN - 1}")[0].augment.crop_padding == 0
    assert fitted(data, f"train.epochs={fit.OFTEN}")[0].augment.crop_padding == 2


def test_the_rate_is_not_lowered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fit, "LEAST_RATE", 2.5e-3)
    assert fitted(write_classes(tmp_path))[0].optimizer.lr == 2.5e-3
    assert fitted(write_classes(tmp_path), preset="aggressive")[0].optimizer.lr == 3e-3


@pytest.mark.parametrize("network", ["model.arch=convnext", "model.head=transformer", "model.head=mlp_mixer"])
def test_a_network_that_does_not_take_every_size_keeps_the_documented_one(network: str, tmp_path: Path) -> None:
    config, _ = fitted(write_classes(tmp_path), network)
    assert config.data.image_size == (32, 64)
    assert config.optimizer.lr == fit.LEAST_RATE


def test_the_configuration_that_documents_a_failure_keeps_its_way_of_learning(tmp_path: Path) -> None:
    config, resolved = fitted(write_classes(tmp_path), preset="current")
    plain = resolve("current", scale="small").config
    assert (config.optimizer, config.schedule, config.ema) == (plain.optimizer, plain.schedule, plain.ema)
    assert {key for key, source in resolved.sources.items() if source.kind == "fitted"} == {
        "data.image_size",
        "train.epochs",
        "train.eval_every",
    }


def test_built_in_data_and_data_that_cannot_be_used_have_the_presets_values(tmp_path: Path) -> None:
    plain = cast("EyesConfig", resolve("balanced", scale="small").config)
    assert fitted(tmp_path / "nothing")[0] == plain
    assert (plain.train.epochs, plain.data.image_size, plain.optimizer.lr) == (16, (32, 64), 2e-3)


def test_what_is_said_of_everything_leaves_nothing_to_look_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise UserError("the data were looked at")

    monkeypatch.setattr("trainctl.engine.data.eyes.survey.survey_eyes", refuse)
    said = ["data.image_size=[16,16]", "train.epochs=1", "train.eval_every=1", "train.batch_size=8",
            "optimizer.lr=1e-3", "augment.crop_padding=0"]  # fmt: skip
    assert fitted(tmp_path, *said)[0].train.epochs == 1


def test_torch_is_not_needed(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from trainctl.engine.tasks.configured import reading\n"
        f"found = reading.resolve('balanced', scale='small', data=Path({str(write_classes(tmp_path))!r}))\n"
        "print(found.config.data.image_size, 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "(16, 16) False\n"
