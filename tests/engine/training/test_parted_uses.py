"""A checkpoint in parts as others use it: they go on from damage, run nothing of it, make one file of it if asked."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.distributed.checkpoint  # once here, not in every process
from hostile_pickles import Calls
from parted_runs import SHORT, in_parts, losses, state_of, step_of, texts, whole
from rank_runs import PlainToy, codes, run_ranks, stop_at
from same_run import same
from sharded_toys import BlocksToy
from toy import resolved, run_toy

from trainctl.engine.errors import UserError
from trainctl.engine.runs.events import EventKind
from trainctl.engine.runs.layout import RunPaths
from trainctl.engine.training.fork import Origin
from trainctl.engine.training.restore import restore
from trainctl.engine.training.state import parts, parts_files
from trainctl.engine.training.state.checkpoint import load_checkpoint, load_rest, save_checkpoint
from trainctl.engine.training.weights_file import export_checkpoint, export_weights
from trainctl.tui.cli.main import run_command_line

assert torch.distributed.checkpoint


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of two ranks that was stopped in its second epoch; its best is of the first."""
    root = tmp_path_factory.mktemp("stopped") / "run"
    run_ranks(root, in_parts(), befall=stop_at(7))
    return root


@pytest.fixture
def copied(stopped: Path, tmp_path: Path) -> RunPaths:
    shutil.copytree(stopped, tmp_path / "run")
    return RunPaths(tmp_path / "run")


def pieces_of(path: Path) -> list[Path]:
    return sorted((path.parent / load_rest(path)["parts"]["folder"]).glob("*.distcp"))


@pytest.mark.parametrize("befall", ["gone", "changed", "folder"])
def test_where_a_piece_is_lost_the_run_goes_on_from_the_best(copied: RunPaths, befall: str) -> None:
    file = pieces_of(copied.latest)[1]
    if befall == "gone":
        file.unlink()
    if befall == "changed":
        content = bytearray(file.read_bytes())
        content[300] ^= 1
        file.write_bytes(content)
    if befall == "folder":
        shutil.rmtree(file.parent)
    with pytest.raises(UserError, match=r"is not a trainctl checkpoint: it is damaged \(.*__.*_0\.distcp") as caught:
        load_checkpoint(copied.latest)
    assert "\n" not in str(caught.value)
    assert codes(run_ranks(copied.root, in_parts(), resume=True)) == [0, 0]
    (warning,) = texts(copied.root, EventKind.WARNING)
    assert "the run goes on from best_model.pth, step 5" in warning


def test_where_both_are_damaged_all_ranks_end_in_a_line(copied: RunPaths) -> None:
    for path in (copied.latest, copied.best):
        pieces_of(path)[1].unlink()
    first, second = run_ranks(copied.root, in_parts(), resume=True)
    assert first is not None and first["code"] == 2 and "it is damaged" in first["reason"]
    assert second is None or second["seconds"] < 30


def touching(canary: Path) -> Calls:
    """An object that, loaded, makes a file."""
    return Calls(os.system, f"touch {canary}")  # pyright: ignore[reportDeprecated]


def with_hostile_pieces(checkpoint: Path, file: Path, piece: bytes) -> None:
    """Let each piece in a file be another, and every checksum fit."""
    content = load_rest(checkpoint)
    pieces = [one for tensor in content["parts"]["tensors"].values() for one in tensor["pieces"] if one[2] == file.name]
    file.write_bytes(piece * len(pieces))
    for k, one in enumerate(pieces):
        one[3:] = [k * len(piece), len(piece)]
    content["parts"]["files"][file.name] = list(parts_files.looked_at(file))
    save_checkpoint(checkpoint, content["state"], content["about"], content["parts"])


def test_a_pickle_in_the_folder_never_runs(copied: RunPaths, tmp_path: Path) -> None:
    canary = tmp_path / "ran"
    torch.save([touching(canary), "x" * 1000], tmp_path / "hostile")
    hostile = (tmp_path / "hostile").read_bytes()
    first, second = pieces_of(copied.latest)
    (first.parent / ".metadata").write_bytes(hostile)
    load_checkpoint(copied.latest)  # which is for other tools of torch
    content = second.read_bytes()
    second.write_bytes(hostile)
    with pytest.raises(UserError, match="it is damaged"):
        load_checkpoint(copied.latest)
    second.write_bytes(content)
    with_hostile_pieces(copied.latest, second, hostile)
    with pytest.raises(UserError, match="hold more than tensors"):
        load_checkpoint(copied.latest)
    ending, _ = run_ranks(copied.root, in_parts(), resume=True)
    assert ending is not None and ending["code"] == 2 and "hold more than tensors" in ending["reason"]
    assert not canary.exists()


@pytest.mark.parametrize("place", ["../other.parts/5-00000000", "/etc", ".hidden.parts/5-00000000", 3, None])
def test_parts_elsewhere_are_refused(copied: RunPaths, place: Any) -> None:
    content = load_rest(copied.latest)
    parts = {**content["parts"], "folder": place}
    save_checkpoint(copied.latest, content["state"], content["about"], parts)
    with pytest.raises(UserError, match="does not say where its parts are"):
        load_checkpoint(copied.latest)


def test_a_checkpoint_that_is_replaced_while_it_is_read_is_read_anew(
    copied: RunPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = load_rest(copied.best)
    found = parts.first_damage

    def replaced(folder: Path, files: Any) -> str:
        if folder.parent.name == "latest_model.parts":
            shutil.rmtree(folder)
            save_checkpoint(copied.latest, content["state"], content["about"], content["parts"])
        return found(folder, files)

    monkeypatch.setattr(parts, "first_damage", replaced)
    assert load_checkpoint(copied.latest)["about"]["step"] == 5


def test_what_no_host_can_hold_is_said_to_be_so(stopped: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(shape: Any, dtype: Any) -> None:
        raise RuntimeError(f"DefaultCPUAllocator: can't allocate memory: {shape} {dtype}")

    monkeypatch.setattr(parts, "_whole", full)
    with pytest.raises(
        UserError, match=r"latest_model\.pth does not fit into the memory of this machine: it lies in parts"
    ):
        load_checkpoint(RunPaths(stopped).latest)


def test_what_was_trained_is_used_as_from_one_file(stopped: Path, tmp_path: Path) -> None:
    paths, alone = RunPaths(stopped), tmp_path / "alone"
    trained = restore(paths.latest, in_parts(), PlainToy, None)
    steps = {**SHORT["train"], "max_steps": step_of(paths.latest)}
    run_toy(alone, resolved(**{**SHORT, "train": steps}), task_type=PlainToy)
    other = restore(RunPaths(alone).latest, in_parts(), PlainToy, None)
    torch.testing.assert_close(dict(trained.model.named_parameters()), dict(other.model.named_parameters()))
    done = export_weights(paths.latest, "state_dict", tmp_path / "weights.pt")
    weights = torch.load(tmp_path / "weights.pt", weights_only=True)
    assert done["tensors"] == len(weights) == 4
    assert same(weights, load_checkpoint(paths.latest)["state"]["model"])


def test_one_file_can_be_had(stopped: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "whole.pth"
    words = ["export", str(stopped), "--to", "checkpoint", "--checkpoint", "latest", "--out", str(out)]
    assert run_command_line(words) == 0
    assert capsys.readouterr().out == f"wrote {out}  (all of latest_model.pth: step {step_of(out)}, epoch 1)\n"
    assert "parts" not in load_rest(out)
    assert same(load_rest(out)["state"], load_checkpoint(RunPaths(stopped).latest)["state"])
    assert run_command_line(words) == 2 and "exists" in capsys.readouterr().err
    assert run_command_line([*words, "--force", "--weights", "ema"]) == 2
    assert "a checkpoint has all weights" in capsys.readouterr().err
    with pytest.raises(UserError, match="exists"):
        export_checkpoint(RunPaths(stopped).latest, out)


@pytest.mark.parametrize("parent_in_parts", [True, False])
def test_a_fork_begins_with_parts_of_its_own(tmp_path: Path, parent_in_parts: bool) -> None:
    parent, fork = tmp_path / "parent", tmp_path / "fork"
    config = in_parts() if parent_in_parts else whole(shard=True)
    run_ranks(parent, config, befall=stop_at(7))
    origin = Origin(RunPaths(parent), RunPaths(parent).latest, config, None)

    def leave(rank: int, step: int) -> None:
        if step == 1:
            raise ValueError("at once")

    assert codes(run_ranks(fork, in_parts(), befall=leave, origin=origin)) == [1, 1]
    begun, left = state_of(RunPaths(fork).latest), state_of(RunPaths(parent).latest)
    for key in ("model", "optimizer", "ema"):
        assert same(begun[key], left[key]), key
    assert same(state_of(RunPaths(fork).best)["model"], state_of(RunPaths(parent).best)["model"])
    assert ("parts" in load_rest(RunPaths(fork).best)) == parent_in_parts
    shutil.rmtree(parent)
    assert codes(run_ranks(fork, in_parts(), resume=True)) == [0, 0]
    run_toy(tmp_path / "alone", resolved(**SHORT), task_type=PlainToy)
    np.testing.assert_allclose(losses(tmp_path / "alone")[left["progress"]["step"] :], losses(fork), rtol=2e-5)


def test_a_fork_of_one_process_reads_it_whole(stopped: Path, tmp_path: Path) -> None:
    origin = Origin(RunPaths(stopped), RunPaths(stopped).latest, in_parts(), None)
    assert codes(run_ranks(tmp_path / "fork", whole(), origin=origin)) == [0, 0]
    assert "parts" not in load_rest(RunPaths(tmp_path / "fork").latest)


def test_nothing_lies_in_parts_where_each_has_a_copy(tmp_path: Path) -> None:
    config = resolved(**SHORT, ranks={"checkpoint": "parts"})
    endings = run_ranks(tmp_path / "run", config)
    assert codes(endings) == [2, 2]
    for ending in endings:
        assert ending is not None
        assert ending["reason"].startswith("ranks.checkpoint=parts: ") and "ranks.shard=true" in ending["reason"]
    assert not RunPaths(tmp_path / "run").meta.exists()
    with pytest.raises(UserError, match=r"ranks\.shard=true"):
        run_toy(tmp_path / "alone", config)


def test_another_network_is_refused_in_a_line(copied: RunPaths) -> None:
    first, _ = run_ranks(copied.root, in_parts(), task_type=BlocksToy, resume=True)
    assert first is not None and first["code"] == 2 and "is of another network" in first["reason"]
