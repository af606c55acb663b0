"""A checkpoint that each of several ranks writes its part of: the run of one file, whatever befalls, and nothing runs
that lies in it."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.distributed.checkpoint  # once here, not in every process
from hostile_pickles import Calls
from rank_runs import PlainToy, kill_self, run_ranks
from same_run import same
from sharded_toys import BlocksToy
from toy import ToyTask, reader_of, resolved, run_toy

from trainctl.engine.config.resolve import Resolved
from trainctl.engine.errors import UserError
from trainctl.engine.ranks import present_ranks
from trainctl.engine.runs.events import EventKind
from trainctl.engine.runs.layout import RunPaths
from trainctl.engine.tasks.task import Task
from trainctl.engine.training.fork import Origin
from trainctl.engine.training.restore import restore
from trainctl.engine.training.state import parts, parts_files, saving_in_parts
from trainctl.engine.training.state.checkpoint import load_checkpoint, load_rest, save_checkpoint
from trainctl.engine.training.weights_file import export_checkpoint, export_weights
from trainctl.tui.cli.main import run_command_line

assert torch.distributed.checkpoint
IN_PARTS: dict[str, Any] = {"ranks": {"shard": True, "checkpoint": "parts"}}
SHORT: dict[str, Any] = {
    "train": {"epochs": 3, "batch_size": 16},
    "ema": {"decay": 0.9},
    "clip": {"grad_norm": 0.5},
    "optimizer": {"weight_decay": 0.05},
}
"""15 steps, a checkpoint after 5, 10 and 15."""


def in_parts(**more: Any) -> Resolved:
    return resolved(**{**SHORT, **IN_PARTS, **more})


def whole(**ranks: Any) -> Resolved:
    return resolved(**SHORT, ranks=ranks)


def codes(endings: list[dict[str, Any] | None]) -> list[int | None]:
    return [None if ending is None else int(ending["code"]) for ending in endings]


def stop_at(step: int) -> Any:
    def stop(rank: int, own: int) -> None:
        if (rank, own) == (0, step):
            kill_self(signal.SIGTERM)

    return stop


def losses(root: Path) -> np.ndarray[Any, Any]:
    return reader_of(root).steps.all()["loss"]


def state_of(path: Path) -> dict[str, Any]:
    """Read whole, by one process."""
    state = load_checkpoint(path)["state"]
    for clock in ("train_s", "elapsed_s"):
        state["progress"].pop(clock)
    return state


def step_of(path: Path) -> int:
    return load_rest(path)["about"]["step"]


def texts(root: Path, kind: EventKind) -> list[str]:
    return [event.data["text"] for event in reader_of(root).events if event.kind is kind]


def folders(root: Path, name: str = "latest_model") -> list[str]:
    return sorted(path.name for path in (root / f"{name}.parts").iterdir())


def assert_same(one: dict[str, Any], two: dict[str, Any]) -> None:
    for key in one:
        assert same(one[key], two[key]), key


@pytest.mark.parametrize("task_type", [ToyTask, BlocksToy])
def test_a_resume_with_as_many_ranks_is_the_uninterrupted_run(tmp_path: Path, task_type: type[Task]) -> None:
    straight, parted = tmp_path / "straight", tmp_path / "parted"
    run_ranks(straight, whole(shard=True), task_type=task_type)
    assert codes(run_ranks(parted, in_parts(), task_type=task_type, befall=stop_at(7))) == [143, 143]
    assert codes(run_ranks(parted, in_parts(), task_type=task_type, resume=True)) == [0, 0]
    np.testing.assert_array_equal(losses(straight), losses(parted))
    for which in ("latest", "best"):
        one, two = (getattr(RunPaths(root), which) for root in (straight, parted))
        assert_same(state_of(one), state_of(two))
        assert load_checkpoint(one)["about"] == load_checkpoint(two)["about"]


def test_each_rank_writes_its_rows_and_the_file_holds_the_rest(tmp_path: Path) -> None:
    run_ranks(tmp_path / "run", in_parts())
    paths = RunPaths(tmp_path / "run")
    for path in (paths.latest, paths.best):
        (only,) = folders(paths.root, path.stem)
        rest = load_rest(path)
        assert rest["parts"]["folder"] == f"{path.stem}.parts/{only}"
        assert only.startswith(f"{rest['about']['step']}-")
        assert set(rest["state"]["model"].values()) == {None} == set(rest["state"]["ema"]["module"].values())
        written = {file.name for file in (paths.root / f"{path.stem}.parts" / only).iterdir()}
        assert written == {".metadata", "__0_0.distcp", "__1_0.distcp"}
        sizes = [size for size, _ in rest["parts"]["files"].values()]
        assert max(sizes) < 1.2 * min(sizes)
        assert {"model.0.weight", "ema.module.2.bias", "optimizer.state.0.exp_avg"} < rest["parts"]["tensors"].keys()
    assert not [path for path in paths.root.iterdir() if path.name.endswith(".tmp")]


@pytest.mark.parametrize(
    ("before", "after", "size"),
    [
        (2, {"shard": False}, 1),
        (2, {"shard": True, "checkpoint": "parts"}, 1),
        (2, {"shard": False}, 2),
        (2, {"shard": True}, 2),
        pytest.param(2, {"shard": True, "checkpoint": "parts"}, 3, marks=pytest.mark.slow),
        pytest.param(2, {"shard": True, "checkpoint": "parts"}, 4, marks=pytest.mark.slow),
        pytest.param(4, {"shard": True, "checkpoint": "parts"}, 2, marks=pytest.mark.slow),
        pytest.param(4, {"shard": True, "checkpoint": "parts"}, 8, marks=pytest.mark.slow),
    ],
)
def test_a_run_goes_on_in_parts_or_whole_with_any_number_of_ranks(
    tmp_path: Path, before: int, after: dict[str, Any], size: int
) -> None:
    alone, moved = tmp_path / "alone", tmp_path / "moved"
    run_toy(alone, resolved(**SHORT), task_type=PlainToy)
    assert codes(run_ranks(moved, in_parts(), size=before, befall=stop_at(7))) == [143] * before
    if size == 1:
        run_toy(moved, whole(**after), task_type=PlainToy, resume=True)
    else:
        assert codes(run_ranks(moved, whole(**after), size=size, resume=True)) == [0] * size
    np.testing.assert_allclose(losses(alone), losses(moved), rtol=2e-5)
    if size == 1 or "checkpoint" not in after:
        assert not (moved / "latest_model.parts").exists(), "nothing of before is left behind"
        assert "parts" not in load_rest(RunPaths(moved).latest)


def test_a_run_with_whole_checkpoints_goes_on_with_parts(tmp_path: Path) -> None:
    alone, moved = tmp_path / "alone", tmp_path / "moved"
    run_toy(alone, resolved(**SHORT), task_type=PlainToy)
    run_ranks(moved, whole(shard=True), befall=stop_at(7))
    assert codes(run_ranks(moved, in_parts(), resume=True)) == [0, 0]
    np.testing.assert_allclose(losses(alone), losses(moved), rtol=2e-5)
    assert "parts" in load_rest(RunPaths(moved).latest)


def when_saved(count: int, do: Any) -> Any:
    """What commits a checkpoint, and does something else at its `count`-th time."""
    commit, calls = saving_in_parts.save_checkpoint, iter(range(1, 1000))

    def save(*given: Any) -> None:
        if next(calls) == count:
            do()
        commit(*given)

    return save


def test_a_kill_before_the_new_one_counts_leaves_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    straight, root = tmp_path / "straight", tmp_path / "run"
    run_ranks(straight, in_parts())
    monkeypatch.setattr(saving_in_parts, "save_checkpoint", when_saved(3, lambda: kill_self(signal.SIGKILL)))
    first, second = run_ranks(root, in_parts())
    assert first is None and second is not None and second["reason"].startswith("rank 0 is gone")
    monkeypatch.undo()
    paths = RunPaths(root)
    assert len(folders(root)) + len(folders(root, "best_model")) == 3, "one is torn"
    assert load_checkpoint(paths.latest)["about"]["step"] == 5 == step_of(paths.latest)
    assert codes(run_ranks(root, in_parts(), resume=True)) == [0, 0]
    np.testing.assert_array_equal(losses(straight), losses(root))
    assert [len(folders(root, name)) for name in ("latest_model", "best_model")] == [1, 1]


def test_a_kill_before_the_old_one_is_removed_leaves_the_new_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "run"
    calls = iter(range(1, 1000))

    def forget(path: Path, keep: str = "") -> None:
        if path.stem == "latest_model" and next(calls) == 2:
            kill_self(signal.SIGKILL)

    monkeypatch.setattr(saving_in_parts, "forget_parts", forget)
    run_ranks(root, in_parts())
    monkeypatch.undo()
    assert len(folders(root)) == 2
    step = step_of(RunPaths(root).latest)
    assert step == 10
    assert codes(run_ranks(root, in_parts(), resume=True)) == [0, 0]
    assert len(folders(root)) == 1


def test_a_rank_that_is_killed_when_the_new_one_counts_costs_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, commit, calls = tmp_path / "run", saving_in_parts.save_checkpoint, iter(range(1, 1000))

    def note(rank: int, step: int) -> None:
        (tmp_path / f"pid{rank}").write_text(str(os.getpid()))

    def save(*given: Any) -> None:
        commit(*given)
        if next(calls) == 4:
            os.kill(int((tmp_path / "pid1").read_text()), signal.SIGKILL)
            time.sleep(0.2)

    monkeypatch.setattr(saving_in_parts, "save_checkpoint", save)
    first, second = run_ranks(root, in_parts(), befall=note)
    assert second is None and first is not None and first["reason"].startswith("rank 1 is gone")
    monkeypatch.undo()
    steps = [load_checkpoint(path)["about"]["step"] for path in (RunPaths(root).latest, RunPaths(root).best)]
    assert max(steps) > 5, "the fourth counts"
    assert codes(run_ranks(root, in_parts(), resume=True)) == [0, 0]


class Dying(parts_files.Written):
    """Rank 1 is killed while it writes its third file."""

    files = 0

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        type(self).files += 1
        if present_ranks().rank == 1 and type(self).files == 3:
            kill_self(signal.SIGKILL)


def test_a_rank_that_is_killed_while_it_writes_costs_the_checkpoint_that_was_begun(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "run"
    monkeypatch.setattr(parts_files, "Written", Dying)
    first, second = run_ranks(root, in_parts())
    assert second is None and first is not None and first["reason"].startswith("rank 1 is gone")
    assert first["seconds"] < 30
    monkeypatch.undo()
    assert load_checkpoint(RunPaths(root).latest)["about"]["step"] == 5
    assert codes(run_ranks(root, in_parts(), resume=True)) == [0, 0]
    assert [len(folders(root, name)) for name in ("latest_model", "best_model")] == [1, 1]


class Refusing(parts_files.Written):
    """A disk that takes no more from rank 1."""

    number, times = errno.ENOSPC, 1000
    files = 0
    """Begun by this rank; the first two are whole."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        type(self).files += path.suffix == ".distcp"

    def write(self, data: Any, /) -> int:
        cls = type(self)
        if present_ranks().rank == 1 and 2 < cls.files <= 2 + cls.times:
            self.refusal = OSError(cls.number, os.strerror(cls.number))
            raise self.refusal
        return super().write(data)


def test_a_disk_that_is_full_for_one_rank_ends_all_and_the_checkpoint_before_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parts_files, "Written", Refusing)
    endings = run_ranks(tmp_path / "run", in_parts())
    assert codes(endings) == [2, 2]
    assert all(ending is not None and "disk full" in ending["reason"] and ending["seconds"] < 30 for ending in endings)
    root = tmp_path / "run"
    step = step_of(RunPaths(root).latest)
    assert step == 5 and len(folders(root)) == 1, "of the first epoch; what was begun is gone"
    monkeypatch.undo()
    assert codes(run_ranks(root, in_parts(), resume=True)) == [0, 0]


@pytest.mark.parametrize("times", [2, 4])
def test_a_disk_that_fails_for_a_while_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, times: int
) -> None:
    class Failing(Refusing):
        number = errno.EIO

    Failing.times = times
    monkeypatch.setattr(parts_files, "Written", Failing)
    assert codes(run_ranks(tmp_path / "run", in_parts())) == [0, 0]
    warnings = texts(tmp_path / "run", EventKind.WARNING)
    assert len(warnings) == (times == 4)
    assert all("no latest checkpoint at step 10" in text and "tried again" in text for text in warnings)
    assert load_checkpoint(RunPaths(tmp_path / "run").latest)["about"]["step"] == 15


def test_a_rank_that_sees_another_disk_ends_all_in_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts_files, "PATIENCE_S", 0.2)
    monkeypatch.setattr(parts_files, "is_folder", lambda *_, **__: present_ranks().rank != 1)
    endings = run_ranks(tmp_path / "run", in_parts())
    assert codes(endings) == [2, 2]
    for ending in endings:
        assert ending is not None and "rank 1 does not see what the others write there" in ending["reason"]
    assert not folders(tmp_path / "run", "best_model") and not RunPaths(tmp_path / "run").latest.exists()


def test_a_shared_folder_may_be_late(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looks = iter(range(1000))
    monkeypatch.setattr(parts_files, "is_folder", lambda *_, **__: next(looks) % 3 == 2)
    monkeypatch.setattr(saving_in_parts, "is_file", lambda *_: next(looks) % 5 > 2)
    assert codes(run_ranks(tmp_path / "run", in_parts())) == [0, 0]
    assert texts(tmp_path / "run", EventKind.WARNING) == []
    assert load_checkpoint(RunPaths(tmp_path / "run").latest)["about"]["step"] == 15


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
