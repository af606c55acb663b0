"""Training the quality task: bit for bit the same after a resume, refits on record, and a KADID-10k folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image
from same_run import assert_same_run
from toy import reader_of, run_toy

from trainctl.engine.config.presets import About
from trainctl.engine.config.resolve import Resolved
from trainctl.engine.errors import ExitCode
from trainctl.engine.runs.events import EventKind
from trainctl.engine.runs.layout import RunPaths
from trainctl.engine.runs.validated.samples import read_samples
from trainctl.engine.tasks.quality.config import QualityConfig
from trainctl.engine.tasks.quality.task import QualityTask
from trainctl.engine.training.desk.run_writer import Ending
from trainctl.engine.training.session import Order, train

Array = npt.NDArray[Any]

SECTIONS: dict[str, Any] = {
    "seed": 5,
    "train": {"epochs": 4, "batch_size": 24, "eval_batch_size": 64},
    "optimizer": {"name": "adam", "lr": 3e-3},
    "ema": {"decay": 0.9},
    "data": {"references": 4, "images": 100, "image_size": 16, "val_fraction": 0.25},
    "model": {
        "width": 4,
        "stem": "small",
        "features": 16,
        "projection": 4,
        "clusters": 3,
        "hidden": [8],
        "dropout": 0.2,
    },
    "loss": {"fgsm": 0.02, "balance_over": "average"},
    "loss_weights": {"quality": 1.0, "cluster": 0.1, "balance": 1.0, "entropy": 0.1},
    "augment": {"hflip": 0.5},
    "schedule": {"name": "plateau", "metric": "srcc", "mode": "max", "patience": 0},
    "checkpoint": {"epoch_every_s": 0.0},
    "runtime": {"device": "cpu", "threads": 1},
}


def resolved(**sections: Any) -> Resolved:
    merged = {
        name: {**part, **sections.get(name, {})} if isinstance(part, dict) else part for name, part in SECTIONS.items()
    }
    config = QualityConfig.model_validate({"task": "quality", **sections, **merged})
    return Resolved(config=config, sources={}, preset="quality/test", about=About(), scale="small")


def run(root: Path, config: Resolved, data: Path | None = None) -> Ending:
    root.mkdir(exist_ok=True)
    return train(Order(config, QualityTask, data, lambda: RunPaths(root), argv=["test"]))


@pytest.mark.slow
@pytest.mark.parametrize(("mode", "steps"), [("matched", 4), pytest.param("sklearn", 7, marks=pytest.mark.slow)])
def test_a_resumed_run_is_the_uninterrupted_run(tmp_path: Path, mode: str, steps: int) -> None:
    """Refits, averaged weights, the average of the balance term, adversarial pictures, flips and dropout."""
    config = resolved(refit={"mode": mode, "every": 1, "samples": 60})
    run_toy(tmp_path / "whole", config, task_type=QualityTask)
    stopped = run_toy(tmp_path / "parts", config, task_type=QualityTask, signal_at=steps)
    assert stopped.code == ExitCode.TERMINATED
    run_toy(tmp_path / "parts", config, task_type=QualityTask, resume=True)
    assert_same_run(tmp_path / "whole", tmp_path / "parts")
    modes = [event.data["mode"] for event in reader_of(tmp_path / "parts").events if event.kind == EventKind.REFIT]
    assert modes == [mode] * 3


@pytest.mark.slow
def test_every_refit_is_between_two_validations_and_a_failed_one_ends_nothing(tmp_path: Path) -> None:
    refit = {"mode": "matched", "every": 1, "samples": 2}
    ending = run(tmp_path / "run", resolved(model={"initialisation": "random"}, refit=refit, train={"epochs": 2}))
    assert ending.code == ExitCode.OK
    wanted = (EventKind.VALIDATION, EventKind.REFIT)
    before, change, after, _ = [event for event in reader_of(tmp_path / "run").events if event.kind in wanted]
    assert (before.kind, change.kind, after.kind) == (EventKind.VALIDATION, EventKind.REFIT, EventKind.VALIDATION)
    assert change.data["failed"] and change.data["text"].startswith("the mixture was not fitted anew")
    assert after.data["after"] == "refit"
    assert after.data["raw"] == before.data["raw"]


def test_the_records_hold_the_terms_and_the_clusters_of_every_step(tmp_path: Path) -> None:
    run(tmp_path / "run", resolved(train={"epochs": 2}))
    records = reader_of(tmp_path / "run").steps.all()
    counts = sum(records[f"scalar.cluster.{k}"] for k in range(3))
    np.testing.assert_array_equal(counts, records["batch_size"])
    np.testing.assert_array_equal(records["scalar.max_posterior"], -records["term.cluster"])
    weighted = sum(weight * records[f"term.{name}"] for name, weight in SECTIONS["loss_weights"].items())
    np.testing.assert_allclose(weighted, records["loss"], rtol=1e-5)


def write_kadid(root: Path, references: int = 16) -> Path:
    """Photographs under noise that grows with the level, and the opinions that fall with it."""
    rng = np.random.default_rng(0)
    lines = ["dist_img,ref_img,dmos,var"]
    (root / "images").mkdir(parents=True)
    for reference in range(1, references + 1):
        base = np.kron(rng.integers(60, 200, (4, 5, 3)), np.ones((6, 6, 1)))
        Image.fromarray(base.astype(np.uint8)).save(root / "images" / f"I{reference:02}.png")
        for level in range(1, 6):
            name = f"I{reference:02}_11_{level:02}.png"
            noisy = base + rng.normal(0, 12 * level, base.shape)
            Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(root / "images" / name)
            lines.append(f"{name},I{reference:02}.png,{5 - 0.64 * level:.2f},0.3")
    (root / "dmos.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return root


def noise_level(image: Array) -> int:
    """The level of a picture of `write_kadid`: half of its neighbours differ by 11.7 a level, at most .4 levels off."""
    return round(float(np.median(np.abs(np.diff(image.astype(float), axis=1)))) / 11.7)


def test_a_kadid_folder_is_trained_on_from_end_to_end(tmp_path: Path) -> None:
    """Pictures and opinions that belong together go in, and figures come out.

    How good they are is not asked: after ten epochs on these few pictures, srcc is anything from .08 to .93 over seeds
    and kinds of CPU. A srcc cannot show that pictures keep their opinions; the pictures themselves do.
    """
    config = resolved(train={"epochs": 2, "batch_size": 8}, loss={"fgsm": 0.0}, model={"dropout": 0.0})
    assert run(tmp_path / "run", config, write_kadid(tmp_path / "kadid")).code == ExitCode.OK
    validations = [event for event in reader_of(tmp_path / "run").events if event.kind == EventKind.VALIDATION]
    assert len(validations) == 2
    assert all(np.isfinite(event.data["raw"][name]) for event in validations for name in ("srcc", "plcc", "rmse"))
    worst = read_samples(RunPaths(tmp_path / "run"))
    assert worst is not None and worst.num_samples == 4 * 6
    assert worst.images.shape == (12, 16, 16, 3)
    assert all(np.isfinite(float(answer)) for answer in worst.predictions)
    levels = [noise_level(image) for image in worst.images]
    assert list(worst.truths) == [
        f"white_noise {level} {1 - 0.16 * level:.2f}" if level else "pristine 1.00" for level in levels
    ]
