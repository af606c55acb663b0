"""What a task fits to the user's data: which layers it overrules, which overrule it, and what becomes of it later."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar

import pytest

from trainctl.engine.config.fitting import Fit, IsFree
from trainctl.engine.config.fork import fork_config
from trainctl.engine.config.resolve import Resolved, TaskTable, load_resolved, resolve, with_overrides
from trainctl.engine.config.sources import Source
from trainctl.engine.errors import UserError
from trainctl.engine.tasks.eyes.config import EyesConfig

DATA = Path("eyes")


class Fitted(EyesConfig):
    """Proposes the same for whatever data, and notes what it was told is free."""

    proposed: ClassVar[Mapping[str, Any]] = {"train.epochs": 77, "data.image_size": [24, 28], "optimizer.lr": 7e-3}

    def fitted_to(self, data: Path, is_free: IsFree) -> Fit | None:
        """The proposals."""
        free = " ".join(key for key in self.proposed if is_free(key))
        return Fit(self.proposed, f"{data.name}, free: {free}")


class Mistaken(Fitted):
    """Proposes what there is not."""

    proposed: ClassVar[Mapping[str, Any]] = {"train.epoch": 77}


TABLE = TaskTable({"eyes"}, lambda *_: Fitted)
ALL_FREE = Source("fitted", "to eyes, free: train.epochs data.image_size optimizer.lr")


def fitted(**options: Any) -> Resolved:
    chosen: dict[str, Any] = {"preset": "balanced", "scale": "small", "data": DATA, **options}
    return resolve(TABLE, **chosen)


def test_what_is_installed_gives_way_to_it() -> None:
    found = fitted()
    assert isinstance(found.config, Fitted)
    assert (found.config.train.epochs, found.config.data.image_size, found.config.optimizer.lr) == (77, (24, 28), 7e-3)
    assert {found.sources[key] for key in Fitted.proposed} == {ALL_FREE}
    assert found.sources["train.batch_size"].kind == "scale"


def in_a_file(folder: Path, text: str) -> Path:
    path = folder / "mine.yaml"
    path.write_text(text, encoding="utf-8")
    return path


WAYS: dict[str, Callable[[Path], dict[str, Any]]] = {
    "command line": lambda _: {"overrides": ["train.epochs=3"]},
    "environment": lambda _: {"environ": {"TRAINCTL__TRAIN__EPOCHS": "3"}},
    "file": lambda folder: {"files": [in_a_file(folder, "train: {epochs: 3}\n")]},
    "preset": lambda folder: {"preset": str(in_a_file(folder, "extends: balanced\ntrain: {epochs: 3}\n"))},
    "scale": lambda folder: {
        "preset": str(in_a_file(folder, "extends: balanced\nscales: {small: {train: {epochs: 3}}}\n"))
    },
}


@pytest.mark.parametrize("kind", WAYS)
def test_what_the_user_said_overrules_it(kind: str, tmp_path: Path) -> None:
    found = fitted(**WAYS[kind](tmp_path))
    assert (found.config.train.epochs, found.sources["train.epochs"].kind) == (3, kind)
    assert found.sources["optimizer.lr"] == Source("fitted", "to eyes, free: data.image_size optimizer.lr")


@pytest.mark.parametrize("options", [{"scale": "full"}, {"data": None}, {"overrides": ["fit_to_data=off"]}])
def test_nothing_is_fitted(options: Mapping[str, Any]) -> None:
    found = fitted(**options)
    assert found.values() == fitted(**{**options, "data": None}).values()
    assert found.fit_note == ""


def test_a_run_that_is_taken_up_has_what_was_fitted_and_where_from(tmp_path: Path) -> None:
    before = fitted()
    (tmp_path / "config.yaml").write_text(before.to_yaml(), encoding="utf-8")
    again = load_resolved(TABLE, tmp_path / "config.yaml")
    assert (again.values(), again.sources) == (before.values(), before.sources)
    resumed = with_overrides(again, ["train.epochs=99"])
    assert resumed.values() == {**before.values(), "train.epochs": 99}
    assert resumed.sources["optimizer.lr"] == ALL_FREE


def test_a_run_that_starts_from_a_configuration_keeps_all_of_it(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(fitted(overrides=["optimizer.lr=1e-3"]).to_yaml(), encoding="utf-8")
    again = fitted(preset=str(tmp_path / "config.yaml"))
    assert again.values() == load_resolved(TABLE, tmp_path / "config.yaml").values()
    assert again.sources["train.epochs"].kind == "preset"


def test_a_fork_with_another_preset_keeps_images_and_length_and_takes_the_recipe() -> None:
    forked = fork_config(TABLE, fitted(), preset="aggressive")
    assert isinstance(forked.config, Fitted)
    assert (forked.config.train.epochs, forked.config.data.image_size) == (77, (24, 28))
    assert forked.config.optimizer.lr == resolve(TABLE, "aggressive", scale="small").config.optimizer.lr
    assert forked.sources["train.epochs"] == ALL_FREE


def test_one_note_says_what_was_fitted_to_what_and_how_to_do_without() -> None:
    assert fitted(overrides=["data.image_size=[9,9]"]).fit_note == (
        "fitted to eyes, free: train.epochs optimizer.lr: train.epochs=77, optimizer.lr=0.007 "
        "(fit_to_data=off keeps the preset's)"
    )


def test_a_proposal_that_is_no_option_is_refused_by_name() -> None:
    with pytest.raises(UserError, match=r"fitted to eyes, free: train\.epoch: unknown key train\.epoch"):
        resolve(TaskTable({"eyes"}, lambda *_: Mistaken), "balanced", scale="small", data=DATA)
