"""The configuration of a fork: what stays the parent's, what a preset brings, what this command line says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from trainctl.engine.config.resolve import diff
from trainctl.engine.config.sources import Source
from trainctl.engine.errors import UserError
from trainctl.engine.tasks.configured import fork_config, resolve

SAID = [
    "seed=7",
    "data.samples=500",
    "model.num_blocks=2",
    "optimizer.lr=0.5",
    "loss.gamma=3",
    "train.epochs=33",
    "runtime.device=cpu",
]
PARENT = resolve("eyes/balanced", scale="small", overrides=SAID)


def changed(**options: Any) -> dict[str, tuple[Any, Any]]:
    return {path: (old, new) for path, old, new in diff(PARENT, fork_config(PARENT, **options))}


def test_without_anything_a_fork_is_configured_like_its_parent() -> None:
    fork = fork_config(PARENT)
    assert (fork.config, fork.sources, fork.preset) == (PARENT.config, PARENT.sources, PARENT.preset)
    assert changed(overrides=["train.epochs=40"]) == {"train.epochs": (33, 40)}


def test_a_preset_brings_its_recipe_and_leaves_data_network_device_and_length() -> None:
    fork = fork_config(PARENT, preset="aggressive")
    aggressive = resolve("eyes/aggressive", scale="small")
    expected = aggressive.values() | {
        "seed": 7,
        "data.samples": 500,
        "model.num_blocks": 2,
        "train.epochs": 33,
        "runtime.device": "cpu",
    }
    assert (fork.values(), fork.preset, fork.scale) == (expected, "eyes/aggressive", "small")
    assert fork.sources["seed"] == Source("command line", "seed=7")
    assert fork.sources["optimizer.lr"] == aggressive.sources["optimizer.lr"]


def test_what_is_said_here_overrules_what_stays(tmp_path: Path) -> None:
    mine = tmp_path / "mine.yaml"
    mine.write_text("data:\n  samples: 600\n", encoding="utf-8")
    fork = fork_config(
        PARENT,
        preset="aggressive",
        files=[mine],
        environ={"TRAINCTL__MODEL__NUM_BLOCKS": "3"},
        overrides=["seed=8", "train.epochs=5"],
    )
    values = fork.values()
    assert [values[key] for key in ("data.samples", "model.num_blocks", "seed", "train.epochs")] == [600, 3, 8, 5]
    assert fork.sources["data.samples"].kind == "file"


def test_the_data_stays_the_parents_also_where_a_preset_of_ones_own_would_change_it(tmp_path: Path) -> None:
    mine = tmp_path / "mine.yaml"
    mine.write_text("extends: eyes/balanced\nseed: 3\ndata:\n  val_fraction: 0.4\n", encoding="utf-8")
    values = fork_config(PARENT, preset=str(mine)).values()
    assert (values["seed"], values["data.val_fraction"]) == (7, 0.2)


def test_a_preset_that_names_no_task_is_for_the_parents(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "from trainctl.engine.tasks.task import Task\nclass Mine(Task):\n    pass\n", encoding="utf-8"
    )
    task = f"{tmp_path / 'mine.py'}:Mine"
    parent = resolve(task=task)
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text("optimizer:\n  lr: 0.25\n", encoding="utf-8")
    fork = fork_config(parent, preset=str(recipe))
    assert (fork.config.task, fork.config.optimizer.lr) == (task, 0.25)
    with pytest.raises(UserError, match=r"a fork keeps the task of its run, .*mine.py:Mine; eyes/balanced is of eyes"):
        fork_config(parent, preset="eyes/balanced")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"scale": "full"}, "--scale goes with a preset"),
        ({"files": [Path("mine.yaml")]}, "--config goes with a preset"),
        ({"preset": "nonsense"}, "unknown preset 'nonsense'"),
        ({"overrides": ["train.epoch=3"]}, "unknown key train.epoch"),
        ({"preset": "aggressive", "overrides": ["train.epoch=3"]}, "unknown key train.epoch"),
        ({"overrides": ["task=mine.py:Mine"]}, "the task of a run cannot change"),
    ],
)
def test_a_mistake_is_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        fork_config(PARENT, **options)
