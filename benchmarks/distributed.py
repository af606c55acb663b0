"""Several processes against one: `python -m benchmarks.distributed same|cost|scaling`.

`same`: 200 steps of each task with 1, 2 and 4 gloo ranks: how far the losses of the steps are apart, and the weights in
the end, and whether each step saw the same samples. `cost`: what the exchange between two steps takes. `scaling`: 2
ranks with a thread each beside one process with two threads. Nothing is drawn in `same` (no augmentation, no dropout),
and BatchNorm keeps the statistics of the untrained network: on a CPU each rank else has its own.
"""

from __future__ import annotations

import argparse
import shutil
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm  # pyright: ignore[reportPrivateUsage]

from benchmarks.ranks_here import as_ranks
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
from trainctl.engine.training.state.checkpoint import load_checkpoint

STEPS = 200
QUIET = ("train.eval_every=1000", "train.epochs=1000", "runtime.device=cpu", "checkpoint.every_s=0")
PASSES, TURNS = 30, 3
RATE = "optimizer.lr=1e-4"
"""Without BatchNorm a network is unstable at its preset's rate: what rounding alone makes grows."""
SMALL = ("train.batch_size=32", "data.references=60", "data.images=1200", "data.image_size=32")
PLAIN = ("augment.hflip=0", "augment.crop=null", "ema.decay=null")
GENTLE = ("optimizer.name=sgd", "optimizer.lr=1e-3", "clip.grad_norm=1")
"""Through a mixture of many dimensions gradients are large. Adam's steps are as long where a gradient is nearly 0, and
there rounding decides their direction."""


@dataclass(frozen=True)
class Comparison:
    """A preset at small scale, and what leaves nothing to chance."""

    preset: str
    overrides: tuple[str, ...]
    is_double: bool = False
    """Whether all is computed in float64, from whose rounding an unstable training takes longer to come apart."""


SAME = {
    "eyes/balanced": Comparison(
        "eyes/balanced",
        ("model.dropout=0", "augment.hflip=0", "augment.photometric=0", "augment.clahe=0", RATE),
    ),
    "weld/repaired": Comparison("weld/repaired", ("model.dropout=0", "augment.noise=0", "augment.drop_modality=0")),
    "emotion/repaired": Comparison(
        "emotion/repaired", ("model.dropout=0", "augment.drop_features=0", "augment.drop_modality=0")
    ),
    "quality/balanced": Comparison("quality/balanced", ("train.batch_size=32", RATE)),
    "quality/balanced, float64": Comparison("quality/balanced", (*SMALL, *GENTLE), is_double=True),
    "quality/repaired, float64": Comparison("quality/repaired", (*SMALL, *PLAIN, *GENTLE), is_double=True),
}


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


def run(
    root: Path,
    resolved: Resolved,
    size: int,
    threads: int,
    *,
    is_still: bool,
    meets: bool = True,
    is_double: bool = False,
) -> float:
    """Train with `size` processes; seconds of the whole."""
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir(parents=True)
    began = time.perf_counter()
    as_ranks(size, _rank, str(root), resolved, threads, is_still, meets, is_double)
    return time.perf_counter() - began


def _rank(
    rank: int,
    size: int,
    port: int,
    root: str,
    resolved: Resolved,
    threads: int,
    is_still: bool,
    meets: bool,
    is_double: bool,
) -> None:
    torch.set_num_threads(threads)
    if is_double:
        torch.set_default_dtype(torch.float64)
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
    print(
        f"{'preset':<26} ranks  samples  loss: steps 1-20  21-{STEPS}   norms   weights  loss at first and last",
        flush=True,
    )
    for name in SAME if only is None else (only,):
        comparison, found, weights = SAME[name], dict[int, Any](), dict[int, torch.Tensor]()
        overrides = [*QUIET, f"train.max_steps={STEPS}", *comparison.overrides]
        resolved = resolve(comparison.preset, scale="small", overrides=overrides)
        for size in (1, 2, 4):
            root = folder / f"{name.replace('/', '-').replace(', ', '-')}-{size}"
            run(root, resolved, size, 1, is_still=True, is_double=comparison.is_double)
            found[size], weights[size] = records_of(root), _weights_of(root)
        for size in (2, 4):
            print(f"{name:<26} {size:<6} {_distances(found[1], found[size], weights[1], weights[size])}", flush=True)


def _weights_of(root: Path) -> torch.Tensor:
    """Of the last step, all in one."""
    state = load_checkpoint(RunPaths(root).latest)["state"]["model"]
    return torch.cat([tensor.reshape(-1).double() for tensor in state.values() if tensor.is_floating_point()])


def _distances(one: Any, several: Any, its: torch.Tensor, theirs: torch.Tensor) -> str:
    names = one.dtype.names or ()
    counted = "classes" if "classes" in names else "batch_size"
    is_equal = bool((one[counted] == several[counted]).all())
    apart = _apart(one, several, "loss")
    norms = max(_apart(one, several, name).max() for name in names if name.startswith("grad_norm"))
    of_weights = float((its - theirs).norm() / its.norm())
    return (
        f"{'equal' if is_equal else 'differ':<8} {apart[:20].max():>16.1e} {apart[20:].max():>7.1e} {norms:>7.1e} "
        f"{of_weights:>9.1e}  {one['loss'][0]:.4f} {one['loss'][-1]:.4f}"
    )


def _apart(one: Any, several: Any, name: str) -> Any:
    """Relative distance of a column, step by step."""
    return np.abs(one[name] - several[name]) / np.abs(one[name]).clip(min=1e-3)


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
    parser.add_argument("--only", choices=tuple(SAME), help="of `same`")
    parser.add_argument("--folder", type=Path, default=Path(".cache/distributed"))
    arguments = parser.parse_args()
    if arguments.what == "same":
        same(arguments.folder, arguments.only)
    else:
        {"cost": cost, "scaling": scaling}[arguments.what](arguments.folder)


if __name__ == "__main__":
    main()
