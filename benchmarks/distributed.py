"""Several processes against one: `python -m benchmarks.distributed same|cost|scaling`.

`same`: 200 steps of each task with 1, 2 and 4 gloo ranks: how far the losses of the steps are apart, and whether each
step saw the same samples. `cost`: what the exchange between two steps takes. `scaling`: 2 ranks with a thread each
beside one process with two threads. Nothing is drawn in `same` (no augmentation, no dropout), and BatchNorm keeps
the statistics of the untrained network: on a CPU each rank else has its own.
"""

from __future__ import annotations

import argparse
import multiprocessing
import shutil
import socket
import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm  # pyright: ignore[reportPrivateUsage]

from trainctl.engine.config.resolve import Resolved
from trainctl.engine.data.batch import Splits
from trainctl.engine.runs.layout import RunPaths
from trainctl.engine.runs.ranks.side_by_side import BUSY, read_ranks
from trainctl.engine.runs.store import StepReader
from trainctl.engine.tasks.configured import resolve
from trainctl.engine.tasks.registry import task_type
from trainctl.engine.tasks.task import Task
from trainctl.engine.training.desk.meeting import Meeting
from trainctl.engine.training.session import Order, train

STEPS = 200
QUIET = ("train.eval_every=1000", "train.epochs=1000", "runtime.device=cpu", "checkpoint.every_s=0")
PASSES, TURNS = 30, 3
RATE = "optimizer.lr=1e-4"
"""Without BatchNorm a network is unstable at its preset's rate: what rounding alone makes grows."""
SAME = {
    "eyes/balanced": ("model.dropout=0", "augment.hflip=0", "augment.photometric=0", "augment.clahe=0", RATE),
    "weld/repaired": ("model.dropout=0", "augment.noise=0", "augment.drop_modality=0"),
    "quality/balanced": ("train.batch_size=32", RATE),
    "emotion/repaired": ("model.dropout=0", "augment.drop_features=0", "augment.drop_modality=0"),
}
"""Presets at small scale, and what leaves nothing to chance."""


def still(kind: type[Task]) -> type[Task]:
    """The task, its BatchNorms in evaluation for good, with the statistics of some samples in the untrained network."""

    class Still(kind):
        def build_model(self, splits: Splits) -> nn.Module:
            model = super().build_model(splits)
            batch = self.prepare(splits.train.at(torch.arange(min(256, len(splits.train)))))
            with torch.no_grad():
                for _ in range(PASSES):
                    self.step(model, batch)
            for module in model.modules():
                if isinstance(module, _BatchNorm):
                    module.eval()
                    vars(module)["train"] = partial(_stay, module)
            return model

    return Still


def _stay(module: nn.Module, mode: bool = True) -> nn.Module:
    """In place of `train`."""
    del mode
    return module


def run(root: Path, resolved: Resolved, size: int, threads: int, *, is_still: bool, meets: bool = True) -> float:
    """Train with `size` processes; seconds of the whole."""
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir(parents=True)
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    began, context = time.perf_counter(), multiprocessing.get_context("spawn")
    given = (size, port, str(root), resolved, threads, is_still, meets)
    ranks = [context.Process(target=_rank, args=(rank, *given)) for rank in range(size)]
    for process in ranks:
        process.start()
    for process in ranks:
        process.join()
    if any(process.exitcode for process in ranks):
        raise SystemExit(f"{root}: a rank failed")
    return time.perf_counter() - began


def _rank(
    rank: int, size: int, port: int, root: str, resolved: Resolved, threads: int, is_still: bool, meets: bool
) -> None:
    torch.set_num_threads(threads)
    paths, kind = RunPaths(Path(root)), task_type(resolved.config.task)
    environ = {"RANK": str(rank), "WORLD_SIZE": str(size), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    met = _measured(Meeting, meets=meets) if size > 1 else []
    order = Order(
        resolved,
        still(kind) if is_still else kind,
        None,
        lambda: paths,
        argv=["benchmark"],
        environ=environ if size > 1 else {},
    )
    train(order)
    if rank == 0 and met:
        np.save(paths.root / "met.npy", np.array(met))


def _measured(kind: type[Meeting], *, meets: bool) -> list[float]:
    """Seconds that each look for a meeting takes, from now on; without, a run ends by its number of steps."""
    seconds: list[float] = []
    original = kind.meet_after

    def measured(self: Meeting, step: int) -> None:
        began = time.perf_counter()
        if meets:
            original(self, step)
        seconds.append(time.perf_counter() - began)

    kind.meet_after = measured
    return seconds


def records_of(root: Path) -> Any:
    """Its steps."""
    return StepReader(RunPaths(root)).all()


def same(folder: Path, only: str | None = None) -> None:
    """How far losses of 2 and 4 ranks are from those of one process."""
    print(f"{'preset':<18} ranks  samples  largest distance of a step's loss, relative: steps 1-20  21-{STEPS}")
    for preset, overrides in SAME.items() if only is None else [(only, SAME[only])]:
        resolved = resolve(preset, scale="small", overrides=[*QUIET, f"train.max_steps={STEPS}", *overrides])
        found: dict[int, Any] = {}
        for size in (1, 2, 4):
            root = folder / f"{preset.replace('/', '-')}-{size}"
            run(root, resolved, size, 1, is_still=True)
            found[size] = records_of(root)
        for size in (2, 4):
            one, several = found[1], found[size]
            has_classes = "classes" in (one.dtype.names or ())
            counted = "classes" if has_classes else "batch_size"
            is_equal = bool((one[counted] == several[counted]).all())
            apart = np.abs(one["loss"] - several["loss"]) / np.abs(one["loss"]).clip(min=1e-3)
            words = f"{'equal' if is_equal else 'differ':<8}"
            print(f"{preset:<18} {size:<6} {words} {apart[:20].max():>12.1e} {apart[20:].max():>12.1e}", flush=True)


def cost(folder: Path) -> None:
    """Of the exchange between two steps, in percent of a step; and what a run takes without it."""
    for preset in ("eyes/balanced", "weld/repaired"):
        resolved = resolve(preset, scale="small", overrides=[*QUIET, "train.max_steps=300"])
        step_s: dict[bool, list[float]] = {True: [], False: []}
        root = folder / f"cost-{preset.replace('/', '-')}"
        for turn in range(2 * TURNS):
            meets = turn % 4 in (0, 3)  # with, without, without, with
            run(root, resolved, 2, 1, is_still=False, meets=meets)
            times = records_of(root)["time"][50:]
            step_s[meets].append(float((times[-1] - times[0]) / (len(times) - 1)))
            if meets:
                _print_exchange(preset, root)
        with_s, without_s = (float(np.median(step_s[meets])) for meets in (True, False))
        spread = ", ".join(f"{1e3 * min(found):.1f} to {1e3 * max(found):.1f} ms" for found in step_s.values())
        print(f"  {preset}: a step {100 * (with_s / without_s - 1):+.1f} % over one without ({spread})", flush=True)


def _print_exchange(preset: str, root: Path) -> None:
    met, step_s = np.load(root / "met.npy")[50:], records_of(root)["step_s"][50:]
    share = met.sum() / (step_s.sum() + met.sum())
    print(
        f"{preset}: step {1e3 * np.median(step_s):.1f} ms, exchange {1e6 * met.mean():.0f} us a step "
        f"(waiting for the other rank included): {100 * share:.2f} %; median {1e6 * np.median(met):.0f} us",
        flush=True,
    )
    parts = read_ranks(RunPaths(root))
    assert parts is not None
    busy = np.median(parts.column(f"scalar.{BUSY}")[:, 50:], axis=1)
    print(f"  until a rank first waits for others: {', '.join(f'{1e3 * one:.1f} ms' for one in busy)}", flush=True)


def scaling(folder: Path) -> None:
    """Samples a second of 2 ranks with a thread each, beside one process with two threads and with one."""
    for preset in ("eyes/balanced", "weld/repaired"):
        resolved = resolve(preset, scale="small", overrides=[*QUIET, "train.max_steps=200"])
        speeds: dict[str, list[float]] = {}
        for turn in range(3):
            for name, size, threads in (("1 x 1", 1, 1), ("1 x 2", 1, 2), ("2 x 1", 2, 1)):
                root = folder / f"scaling-{preset.replace('/', '-')}-{name.replace(' ', '')}-{turn}"
                run(root, resolved, size, threads, is_still=False)
                records = records_of(root)[50:]
                speeds.setdefault(name, []).append(float(np.median(records["batch_size"] / records["step_s"])))
        words = ", ".join(f"{name}: {np.median(found):,.0f}" for name, found in speeds.items())
        print(f"{preset}: samples/s of processes x threads, median of 3 runs: {words}", flush=True)


def main() -> None:
    """Run one of them."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.distributed", description=__doc__)
    parser.add_argument("what", choices=("same", "cost", "scaling"))
    parser.add_argument("--folder", type=Path, default=Path(".cache/distributed"))
    arguments = parser.parse_args()
    {"same": same, "cost": cost, "scaling": scaling}[arguments.what](arguments.folder)


if __name__ == "__main__":
    main()
