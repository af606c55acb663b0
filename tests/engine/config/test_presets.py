"""Preset files: names, what they extend, and that every installed one resolves."""

from __future__ import annotations

from pathlib import Path

import pytest

from trainctl.engine.config import presets
from trainctl.engine.config.presets import find_preset, load_preset, preset_names
from trainctl.engine.config.resolve import diff
from trainctl.engine.errors import UserError
from trainctl.engine.tasks.configured import resolve
from trainctl.engine.tasks.registry import TASKS

EYES = ["eyes/aggressive", "eyes/balanced", "eyes/conservative", "eyes/current"]


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of presets in place of the installed one."""
    for name in ("eyes/balanced", "eyes/current", "weld/repaired", "quality/repaired", "quality/balanced"):
        path = tmp_path / f"{name}.yaml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"task: {path.parent.name}\n", encoding="utf-8")
    monkeypatch.setattr(presets, "files", lambda package: tmp_path)
    return tmp_path


def test_the_presets_of_the_document_are_installed() -> None:
    assert preset_names("eyes") == EYES


@pytest.mark.parametrize("name", preset_names())
@pytest.mark.parametrize("scale", ["full", "small"])
def test_every_installed_preset_resolves_to_its_own_task(name: str, scale: presets.Any) -> None:
    resolved = resolve(name, scale=scale)
    assert resolved.config.task == name.partition("/")[0]
    assert resolved.preset == name
    assert resolved.about.summary
    assert resolved.about.source


@pytest.mark.parametrize("task", TASKS)
def test_every_task_recommends_one_preset_and_it_is_what_the_task_alone_means(task: str) -> None:
    recommended = [name for name in preset_names(task) if load_preset(name).about.recommended]
    assert [resolve(task=task).preset] == recommended


def test_a_bare_name_is_enough_where_it_is_unique(installed: Path) -> None:
    assert find_preset("current") == "eyes/current"
    assert find_preset("weld/repaired") == "weld/repaired"


def test_balanced_alone_is_the_default_preset_wherever_else_the_name_exists(installed: Path) -> None:
    assert find_preset("balanced") == "eyes/balanced"
    assert find_preset("balanced", task="quality") == "quality/balanced"


def test_an_ambiguous_name_lists_the_candidates(installed: Path) -> None:
    with pytest.raises(UserError) as caught:
        find_preset("repaired")
    assert str(caught.value) == ("preset 'repaired' is ambiguous; say which one: quality/repaired, weld/repaired")


@pytest.mark.parametrize(("written", "meant"), [("curent", "current"), ("eyes/balancd", "eyes/balanced")])
def test_an_unknown_name_suggests_the_nearest(written: str, meant: str) -> None:
    with pytest.raises(UserError) as caught:
        find_preset(written)
    assert str(caught.value) == f"unknown preset {written!r}; did you mean {meant}?"


def test_presets_that_extend_each_other_are_an_error(installed: Path) -> None:
    (installed / "eyes/balanced.yaml").write_text("extends: current\n", encoding="utf-8")
    (installed / "eyes/current.yaml").write_text("\nextends: balanced\n", encoding="utf-8")
    with pytest.raises(UserError) as caught:
        load_preset("balanced")
    assert str(caught.value) == (
        "presets/eyes/current.yaml:2: presets extend each other: "
        "eyes/balanced extends eyes/current extends eyes/balanced"
    )


def test_a_preset_that_extends_nothing_known_names_its_line(tmp_path: Path) -> None:
    mine = tmp_path / "mine.yaml"
    mine.write_text("seed: 1\nextends: balancd\n", encoding="utf-8")
    with pytest.raises(UserError, match=r"mine\.yaml:2: unknown preset 'balancd'; did you mean balanced\?"):
        load_preset(str(mine))


def test_a_users_preset_extends_an_installed_one_or_another_file(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text("extends: eyes/current\nseed: 1\n", encoding="utf-8")
    mine = tmp_path / "mine.yaml"
    mine.write_text("extends: base.yaml\ntrain: {epochs: 3}\n", encoding="utf-8")
    config = resolve(str(mine)).config
    assert (config.seed, config.train.epochs, config.optimizer.lr) == (1, 3, 1e-4)


def test_a_file_that_is_called_like_a_preset_does_not_replace_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("balanced").write_text("seed: 1\n", encoding="utf-8")
    Path("eyes").mkdir()
    Path("eyes/balanced").write_text("seed: 1\n", encoding="utf-8")
    assert resolve("balanced").config.seed == resolve("eyes/balanced").config.seed == 42


def test_a_scale_does_not_overrule_what_a_user_wrote(tmp_path: Path) -> None:
    mine = tmp_path / "mine.yaml"
    mine.write_text("extends: eyes/balanced\noptimizer: {lr: 7e-4}\n", encoding="utf-8")
    resolved = resolve(str(mine), scale="small")
    assert resolved.config.optimizer.lr == 7e-4
    assert resolved.config.train.epochs == resolve("balanced", scale="small").config.train.epochs


def test_what_a_preset_says_about_itself_is_not_inherited() -> None:
    assert load_preset("current").about.goes_wrong
    assert not load_preset("conservative").about.goes_wrong


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("about:\n  sumary: x\n", ":2: unknown key sumary"),
        ("about: x\n", ":1: about must be a mapping"),
        ("extends: 3\n", ":1: extends must be the name of a preset"),
        ("scales:\n  tiny: {}\n", ":2: unknown scale tiny; there is: small"),
        ("scales: 3\n", ":1: scales must be a mapping"),
        ("scales:\n  small: 3\n", ":2: scales.small must be a mapping"),
        ("scales:\n  small:\n    train: {epoch: 3}\n", ":3: unknown key train.epoch; did you mean train.epochs?"),
    ],
)
def test_a_mistake_in_a_presets_own_keys_names_its_line(tmp_path: Path, text: str, message: str) -> None:
    mine = tmp_path / "mine.yaml"
    mine.write_text(text, encoding="utf-8")
    with pytest.raises(UserError) as caught:
        resolve(str(mine), scale="small")
    assert f"mine.yaml{message}" in str(caught.value)


# The values of the document, §1 and §6.1 to §6.3: lr, weight decay, factor, patience, warmup, batch, dropout, loss.
DOCUMENT = {
    "current": (1e-4, 1e-4, 0.5, 2, 0, 4096, 0.3, "bce"),
    "conservative": (2e-4, 5e-4, 0.7, 5, 0, 4096, 0.25, "bce"),
    "aggressive": (3e-4, 1e-3, 0.7, 10, 5, 2048, 0.2, "focal"),
    "balanced": (2e-4, 5e-4, 0.7, 5, 0, 4096, 0.25, "focal"),
}


@pytest.mark.parametrize("name", DOCUMENT)
def test_a_preset_holds_the_values_of_the_document(name: str) -> None:
    values = resolve(name).values()
    keys = (
        "optimizer.lr",
        "optimizer.weight_decay",
        "schedule.factor",
        "schedule.patience",
        "schedule.warmup_epochs",
        "train.batch_size",
        "model.dropout",
        "loss.name",
    )
    assert tuple(values[key] for key in keys) == DOCUMENT[name]
    common = ("train.epochs", "optimizer.name", "ema.decay", "model.base_channels", "model.num_blocks", "seed")
    assert [values[key] for key in common] == [1000, "adamw", 0.999, 64, 8, 42]


def test_every_value_of_an_eyes_preset_says_its_section() -> None:
    for name in EYES:
        resolved = resolve(name)
        own = [source.where for source in resolved.sources.values() if source.kind == "preset"]
        for where in own:
            file, _, line = where.rpartition(":")
            text = load_preset(file.removeprefix("presets/").removesuffix(".yaml")).document.text
            written = text.splitlines()[int(line) - 1]
            assert "# §" in written or "not from the document" in written or written == "task: eyes", where


def test_the_small_scale_keeps_the_presets_apart() -> None:
    for name in ("conservative", "aggressive", "balanced"):
        full = {key for key, _, _ in diff(resolve("current"), resolve(name))}
        small = {key for key, _, _ in diff(resolve("current", scale="small"), resolve(name, scale="small"))}
        assert small == full - {"early_stopping.patience"}, "a short run has its end"


@pytest.mark.parametrize("name", EYES)
def test_the_full_scale_has_the_eyes_of_the_document_and_an_end_of_its_own(name: str) -> None:
    full, small = resolve(name).values(), resolve(name, scale="small").values()
    assert (full["data.samples"], small["data.samples"]) == (470_811, 6000)
    assert full["early_stopping.patience"] == 3 * (full["schedule.patience"] + 1)
    assert small["early_stopping.patience"] is None
