"""Tensors in parts: written by some ranks, read by others, whole or in rows; and tables that nobody of us wrote."""

from __future__ import annotations

import copy
import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed.checkpoint  # once here, not in every process
from hostile_pickles import Calls
from several import environ_of, free_port, together
from torch import Tensor
from torch import distributed as dist
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.tensor import DTensor, Shard

from trainctl.engine.launched import Launched, launched
from trainctl.engine.training.ranks.meeting import meet, part
from trainctl.engine.training.ranks.team import Team
from trainctl.engine.training.state.parts import PartsError, fill_parts, write_parts
from trainctl.engine.training.state.parts_files import first_damage
from trainctl.engine.training.state.parts_table import TableError, check_table

assert torch.distributed.checkpoint
SHAPES = {"wide": (7, 3), "long": (11,), "short": (1, 5), "deep": (4, 2, 3)}
"""Few of which can be divided by the number of ranks."""


def tensors() -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(0)
    return {name: torch.randn(shape, generator=generator) for name, shape in SHAPES.items()}


def rows_of(whole: Tensor, team: Team) -> Tensor:
    each = -(-len(whole) // team.size)
    return whole[team.ranks.rank * each : (team.ranks.rank + 1) * each]


def in_rows(whole: Tensor, team: Team) -> Tensor:
    group = dist.group.WORLD
    assert group is not None
    mesh = DeviceMesh.from_group(group, "cpu")
    places = (Shard(0),)
    return DTensor.from_local(
        rows_of(whole, team).clone(), mesh, places, run_check=False, shape=whole.shape, stride=whole.stride()
    )


def as_team(rank: int, size: int, port: int, work: Callable[[Team, Path], None], folder: Path) -> None:
    found = launched(environ_of(rank, size, port))
    assert isinstance(found, Launched)
    team = meet(found, 60.0, "cpu")
    work(team, folder)
    part(team, is_well=True)


def write(team: Team, folder: Path) -> None:
    table, own = write_parts(folder / "parts", {name: in_rows(one, team) for name, one in tensors().items()}, team)
    files = {name: said for part in team.everyone(own) for name, said in part.items()}
    if team.leads:
        parts = {"files": files, "tensors": table, "places": {name: ["held", name] for name in table}}
        torch.save(parts, folder / "index")


def read_in_rows(team: Team, folder: Path) -> None:
    parts, state, wholes = torch.load(folder / "index", weights_only=True), empty_state(), tensors()
    fill_parts(
        folder / "parts", state, parts, blank=lambda shape, dtype: in_rows(torch.zeros(shape, dtype=dtype), team)
    )
    for name, one in state["held"].items():
        assert torch.equal(one.to_local(), rows_of(wholes[name], team)), name


def empty_state() -> dict[str, Any]:
    return {"held": dict.fromkeys(SHAPES)}


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("written")
    (folder / "parts").mkdir()
    together(3, as_team, 3, free_port(), write, folder)
    return folder


def parts_in(folder: Path) -> dict[str, Any]:
    return torch.load(folder / "index", weights_only=True)


def test_what_three_ranks_wrote_one_process_reads_whole(written: Path) -> None:
    state = empty_state()
    fill_parts(written / "parts", state, parts_in(written))
    for name, one in tensors().items():
        assert torch.equal(state["held"][name], one), name


@pytest.mark.parametrize("size", [2, pytest.param(4, marks=pytest.mark.slow), pytest.param(8, marks=pytest.mark.slow)])
def test_and_others_read_in_rows_of_their_own(written: Path, size: int) -> None:
    together(size, as_team, size, free_port(), read_in_rows, written)


def test_some_of_it_alone(written: Path) -> None:
    state, parts = {"a": {"wide": None}, "b": {name: None for name in SHAPES if name != "wide"}}, parts_in(written)
    parts["places"] = {name: ["a" if name == "wide" else "b", name] for name in SHAPES}
    fill_parts(written / "parts", state, parts, only=("a",))
    assert state["a"]["wide"] is not None and not any(value is not None for value in state["b"].values())


def test_the_pickle_beside_the_files_is_not_even_opened(written: Path, tmp_path: Path) -> None:
    canary = tmp_path / "ran"
    pickled = (written / "parts" / ".metadata").read_bytes()
    try:
        (written / "parts" / ".metadata").write_bytes(hostile(canary))
        state = empty_state()
        fill_parts(written / "parts", state, parts_in(written))
        (written / "parts" / ".metadata").unlink()
        fill_parts(written / "parts", empty_state(), parts_in(written))
    finally:
        (written / "parts" / ".metadata").write_bytes(pickled)
    assert torch.equal(state["held"]["wide"], tensors()["wide"])
    assert not canary.exists()


def touching(canary: Path) -> Calls:
    """An object that, loaded, makes a file."""
    return Calls(os.system, f"touch {canary}")  # pyright: ignore[reportDeprecated]


def hostile(canary: Path) -> bytes:
    return pickle.dumps(touching(canary))


@pytest.mark.parametrize("kind", ["pickle", "torch", "packed"])
def test_a_piece_that_is_no_tensor_as_it_was_written_is_refused(tmp_path: Path, kind: str) -> None:
    canary, folder = tmp_path / "ran", tmp_path / "parts"
    folder.mkdir()
    file = folder / "__0_0.distcp"
    if kind == "pickle":
        file.write_bytes(hostile(canary))
    elif kind == "torch":
        torch.save({"weight": touching(canary)}, file)
    else:
        torch.save(torch.zeros(1000), tmp_path / "plain")
        with zipfile.ZipFile(tmp_path / "plain") as plain, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as packed:
            for name in plain.namelist():
                packed.writestr(name, plain.read(name))
    size = file.stat().st_size
    parts = {
        "files": {file.name: [size, 0]},
        "tensors": {"w": {"shape": [1], "dtype": "float32", "pieces": [[[0], [1], file.name, 0, size]]}},
        "places": {"w": ["w"]},
    }
    with pytest.raises(PartsError, match="more than tensors") as caught:
        fill_parts(folder, {"w": None}, parts, check=lambda *_: "")
    assert not caught.value.is_damage and not canary.exists()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda one: one.update(pieces=one["pieces"][:1]), "not there as a whole"),
        (lambda one: one.update(pieces=[*one["pieces"][:1], *one["pieces"][:2]]), "not there as a whole"),
        (lambda one: one.update(shape=[10**12, 3]), "not there as a whole"),
        (lambda one: one.update(shape=[-7, 3]), "no count"),
        (lambda one: one.update(shape=[7.0, 3]), "no count"),
        (lambda one: one.update(dtype="save"), "no type of a tensor"),
        (lambda one: one["pieces"][0].__setitem__(4, 8), "outside of it"),
        (lambda one: one["pieces"][0].__setitem__(2, "../../secret"), "no table"),
        (lambda one: one["pieces"][0].__setitem__(3, 10**9), "outside of it"),
        (lambda one: one["pieces"][0].__setitem__(0, [1, 0]), "not there as a whole"),
        (lambda one: one["pieces"][0].__setitem__(0, [0]), "outside of it"),
        (lambda one: one.pop("pieces"), "no table"),
    ],
)
def test_a_table_that_no_save_has_made_is_refused(written: Path, change: Callable[[Any], object], words: str) -> None:
    parts = copy.deepcopy(parts_in(written))
    check_table(parts["tensors"], parts["files"])
    change(parts["tensors"]["wide"])
    with pytest.raises(TableError, match=words):
        check_table(parts["tensors"], parts["files"])


def test_pieces_cannot_be_more_than_their_files_hold(written: Path) -> None:
    parts = parts_in(written)
    tensors = {f"{name}{k}": one for name, one in parts["tensors"].items() for k in range(3)}
    with pytest.raises(TableError, match="more than its files hold"):
        check_table(tensors, parts["files"])


def test_names_of_files_stay_in_the_folder(written: Path) -> None:
    parts = parts_in(written)
    files = {**parts["files"], "../__0_0.distcp": [1, 1]}
    with pytest.raises(TableError, match="no file of pieces"):
        check_table(parts["tensors"], files)


@pytest.mark.parametrize("befall", ["gone", "shortened", "changed", "link"])
def test_a_file_that_is_not_what_was_written_is_named(written: Path, tmp_path: Path, befall: str) -> None:
    parts, folder = parts_in(written), tmp_path / "parts"
    folder.mkdir()
    for file in (written / "parts").iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    assert first_damage(folder, parts["files"]) == ""
    file = folder / "__1_0.distcp"
    content = file.read_bytes()
    if befall in ("gone", "link"):
        file.unlink()
    if befall == "link":
        file.symlink_to(written / "parts" / file.name)
    if befall == "shortened":
        file.write_bytes(content[:-1])
    if befall == "changed":
        file.write_bytes(content[:200] + bytes([content[200] ^ 1]) + content[201:])
    assert first_damage(folder, parts["files"]).startswith("parts/__1_0.distcp")
