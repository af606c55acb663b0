"""Layers over each other, where each value came from, and reading a run's configuration back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from trainctl.engine.config.resolve import Resolved, diff
from trainctl.engine.config.sources import Source
from trainctl.engine.config.yamlfile import format_value
from trainctl.engine.errors import UserError
from trainctl.engine.tasks.configured import load_resolved, resolve, trusting, with_overrides
from trainctl.engine.tasks.eyes.config import EyesConfig

FEW = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
POSITIVE = st.floats(min_value=1e-300, max_value=1e300)
FRACTIONS = st.floats(min_value=0, max_value=1)
TEXT = st.text(st.characters(exclude_categories=["Cs"]))
OVERRIDES: dict[str, st.SearchStrategy[Any]] = {
    "optimizer.lr": POSITIVE,
    "optimizer.betas": st.lists(FRACTIONS, min_size=2, max_size=2),
    "optimizer.name": st.sampled_from(["adamw", "adam", "sgd"]),
    "train.epochs": st.integers(1, 10**12),
    "train.drop_last": st.booleans(),
    "train.monitor": TEXT,
    "ema.decay": st.none() | st.floats(0, 1, exclude_max=True),
    "precision.amp": st.sampled_from(["off", "bf16", "fp16"]),
    "data.group_by": st.none() | TEXT,
    "freeze": st.lists(TEXT, max_size=3),
    "loss_weights.focal": POSITIVE,
    "loss_weights.a.b": POSITIVE,
    "loss.pos_weight": st.just("auto") | POSITIVE,
}
SETTINGS = st.fixed_dictionaries({}, optional=OVERRIDES)


def as_arguments(chosen: dict[str, Any]) -> list[str]:
    return [f"{key}={format_value(value)}" for key, value in chosen.items()]


def read_back(resolved: Resolved, folder: Path) -> Resolved:
    path = folder / "config.yaml"
    path.write_text(resolved.to_yaml(), encoding="utf-8", newline="")
    return load_resolved(path)


def user_task(folder: Path) -> str:
    """A task of the user's own with its own configuration, as `FILE.py:Class`."""
    (folder / "mine.py").write_text(
        "from trainctl.engine.config.schema import RunConfig, Section, TrainConfig\n"
        "from trainctl.engine.tasks.task import Task\n"
        "class Extra(Section):\n    width: int = 7\n"
        "class Config(RunConfig):\n"
        "    extra: Extra = Extra()\n"
        "    train: TrainConfig = TrainConfig(epochs=3, batch_size=5)\n"
        "    loss_weights: dict[str, float] = {'main': 2.0}\n"
        "class Mine(Task):\n    config_type = Config\n",
        encoding="utf-8",
    )
    return f"{folder / 'mine.py'}:Mine"


def test_each_layer_overrules_the_one_before_it(tmp_path: Path) -> None:
    mine = tmp_path / "mine.yaml"
    mine.write_text("train:\n  batch_size: 5\n  accumulation: 5\n  eval_every: 5\n", encoding="utf-8")
    resolved = resolve(
        "aggressive",
        scale="small",
        files=[mine],
        environ={"TRAINCTL__TRAIN__ACCUMULATION": "6", "trainctl__train__eval_every": "6"},
        overrides=["train.eval_every=7"],
    )
    expected: dict[str, tuple[Any, Source]] = {
        "optimizer.eps": (1e-8, Source("default")),
        "optimizer.weight_decay": (1e-3, Source("preset", "presets/eyes/aggressive.yaml:14")),
        "optimizer.lr": (3e-3, Source("scale", "presets/eyes/aggressive.yaml:41")),
        "train.batch_size": (5, Source("file", f"{mine}:2")),
        "train.accumulation": (6, Source("environment", "TRAINCTL__TRAIN__ACCUMULATION")),
        "train.eval_every": (7, Source("command line", "train.eval_every=7")),
    }
    values = resolved.values()
    kinds = {key: (values[key], resolved.sources[key].kind) for key in expected}
    assert kinds == {key: (value, source.kind) for key, (value, source) in expected.items()}
    for key in ("train.batch_size", "train.accumulation", "train.eval_every"):
        assert resolved.sources[key] == expected[key][1]


def test_a_source_names_the_line_that_sets_the_value() -> None:
    resolved = resolve("balanced")
    file, _, line = resolved.sources["optimizer.lr"].where.rpartition(":")
    text = (Path(__file__).parents[3] / file).read_text(encoding="utf-8")
    assert text.splitlines()[int(line) - 1].strip().startswith("lr: 2e-4")


def test_nothing_said_means_balanced() -> None:
    assert resolve().preset == "eyes/balanced"
    assert isinstance(resolve().config, EyesConfig)


def test_every_value_has_a_source_and_every_source_a_value() -> None:
    resolved = resolve("current", overrides=["loss_weights.a=1"])
    assert list(resolved.values()) == list(resolved.sources)


def test_entries_of_a_mapping_add_up_and_null_takes_one_away(tmp_path: Path) -> None:
    mine = tmp_path / "mine.yaml"
    mine.write_text("loss_weights: {a: 1, b: 2}\n", encoding="utf-8")

    def weights(*overrides: str) -> dict[str, float]:
        return resolve(files=[mine], overrides=overrides).config.loss_weights

    assert weights("loss_weights.c=3") == {"a": 1, "b": 2, "c": 3}
    assert weights("loss_weights.a=null") == {"b": 2}
    assert weights("loss_weights=null", "loss_weights.c=3") == {"c": 3}
    assert weights("loss_weights={}") == {}
    assert weights("loss_weights.a=null", "loss_weights.b=null") == {}
    assert weights("loss_weights={b: 5}") == {"a": 1, "b": 5}


@pytest.mark.parametrize(
    ("override", "key", "value"),
    [
        ("optimizer.lr=3e-4", "optimizer.lr", 3e-4),
        ("optimizer.betas=[.9,.99]", "optimizer.betas", [0.9, 0.99]),
        ("ema.decay=null", "ema.decay", None),
        ("precision.amp=off", "precision.amp", "off"),
        ("train.max_steps=1e5", "train.max_steps", 100_000),
        ("optimizer.lr=1", "optimizer.lr", 1.0),
        ("optimizer={lr: 3e-4, eps: 1e-6}", "optimizer.eps", 1e-6),
        ("data.group_by=[a-z]+_(\\d+)", "data.group_by", "[a-z]+_(\\d+)"),
        ("runtime.device=0", "runtime.device", "0"),
        ("freeze=[stem, head]", "freeze", ["stem", "head"]),
        ("train.monitor=", "train.monitor", ""),
        (" optimizer.lr =3", "optimizer.lr", 3.0),
    ],
)
def test_an_override_has_the_type_of_its_field(override: str, key: str, value: Any) -> None:
    found = resolve(overrides=[override]).values()[key]
    assert found == value
    assert type(found) is type(value)


def test_an_empty_variable_counts_as_not_set() -> None:
    assert resolve(environ={"TRAINCTL__OPTIMIZER__LR": ""}) == resolve()


def test_variables_of_other_names_are_left_alone() -> None:
    assert resolve(environ={"TRAINCTL_RUNS_DIR": "/x", "PATH": "/bin"}) == resolve()


@FEW
@given(chosen=SETTINGS)
def test_overrides_arrive_as_they_were_meant(chosen: dict[str, Any]) -> None:
    values = resolve("current", overrides=as_arguments(chosen)).values()
    assert {key: values[key] for key in chosen} == chosen


@FEW
@given(chosen=SETTINGS, scale=st.sampled_from(["small", "full"]))
def test_a_configuration_is_read_back_exactly(chosen: dict[str, Any], scale: Any, tmp_path: Path) -> None:
    resolved = resolve("aggressive", scale=scale, overrides=as_arguments(chosen))
    again = read_back(resolved, tmp_path)
    assert again == resolved
    assert again.to_yaml() == resolved.to_yaml()


def test_a_removed_default_stays_removed_when_read_back(tmp_path: Path) -> None:
    resolved = resolve(task=user_task(tmp_path), overrides=["loss_weights.main=null", "loss_weights.b=1"])
    assert resolved.config.loss_weights == {"b": 1.0}
    assert read_back(resolved, tmp_path) == resolved


def test_a_runs_configuration_is_also_a_preset_and_a_file(tmp_path: Path) -> None:
    resolved = resolve("aggressive", scale="small", overrides=["seed=3"])
    path = tmp_path / "config.yaml"
    path.write_text(resolved.to_yaml(), encoding="utf-8")
    assert resolve(str(path)).config == resolved.config
    assert resolve(str(path), scale="small").config == resolved.config
    assert resolve("current", files=[path]).config == resolved.config


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("task: eyes\n", "is not the config.yaml of a run"),
        ("task: eyes\nprovenance: {preset: x, scale: small}\n", ":2: sources must be given"),
        ("task: eyes\nprovenance: {preset: x, scale: big, sources: {}}\n", ":2: scale must be one of small, full"),
        ("task: eyes\nprovenance:\n  preset: x\n  scale: full\n  sources: {seed: moon}\n", ":5: not a source"),
        ("task: eyes\nnew: 1\nprovenance: {preset: x, scale: full, sources: {}}\n", ":2: unknown key new"),
    ],
)
def test_what_is_no_runs_configuration_is_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UserError) as caught:
        load_resolved(path)
    assert message in str(caught.value)


def test_a_configuration_of_an_older_version_gets_the_defaults_it_lacks(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("task: eyes\nseed: 3\nprovenance: {preset: x, scale: full, sources: {}}\n", encoding="utf-8")
    assert load_resolved(path).config == EyesConfig(seed=3)


def test_overrides_on_a_resume_change_only_what_they_name() -> None:
    before = resolve("current", scale="small", overrides=["loss_weights.a=1"])
    after = with_overrides(before, ["train.epochs=9"])
    assert diff(before, after) == [("train.epochs", before.config.train.epochs, 9)]
    assert after.sources["train.epochs"] == Source("command line", "train.epochs=9")
    assert {key for key in after.sources if after.sources[key] != before.sources[key]} == {"train.epochs"}
    assert (after.preset, after.scale, after.about) == (before.preset, before.scale, before.about)


def test_the_task_of_a_run_cannot_change_on_a_resume() -> None:
    with pytest.raises(UserError, match="the task of a run cannot change"):
        with_overrides(resolve(), ["task=weld"])
    assert with_overrides(resolve(), ["task=eyes"]).config == resolve().config


def test_a_users_task_starts_from_its_own_defaults(tmp_path: Path) -> None:
    task = user_task(tmp_path)
    resolved = resolve(task=task, overrides=["extra.width=8", "train.batch_size=6"])
    values = resolved.values()
    assert (values["extra.width"], values["train.epochs"], values["train.batch_size"]) == (8, 3, 6)
    assert values["loss_weights.main"] == 2.0
    assert resolved.preset == task
    assert resolved.sources["task"] == Source("command line", f"--task {task}")


@pytest.mark.parametrize("where", ["override", "environment", "file", "preset"])
def test_a_task_can_be_named_anywhere(tmp_path: Path, where: str) -> None:
    task = user_task(tmp_path)
    path = tmp_path / "mine.yaml"
    path.write_text(f"task: {task}\n", encoding="utf-8")
    resolved = {
        "override": lambda: resolve(overrides=[f"task={task}"]),
        "environment": lambda: resolve(environ={"TRAINCTL__TASK": task}),
        "file": lambda: trusting.resolve(files=[path]),
        "preset": lambda: trusting.resolve(str(path)),
    }[where]()
    assert resolved.config.task == task
    assert type(resolved.config).__name__ == "Config"


def test_a_difference_names_both_values_and_the_keys_only_one_side_has() -> None:
    found = diff(resolve("current"), resolve("current", overrides=["optimizer.lr=1", "loss_weights.a=2"]))
    assert ("optimizer.lr", 1e-4, 1.0) in found
    assert ("loss_weights.a", None, 2.0) in found
    assert diff(resolve("current"), resolve("current")) == []
