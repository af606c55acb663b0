"""Checkpoints whole beside checkpoints in parts: `python -m benchmarks.sharded_checkpoints [--ranks 2] [--width 400]`.

Trains the network of `benchmarks.sharded` (at width 400 of 41 MB, 800: 164 MB; AdamW, with averaged weights) with
`ranks.shard` for a few steps, saves, and goes on in fresh processes, with either value of `ranks.checkpoint`. Of each
rank: the most that it has in memory while it saves, and while it takes the checkpoint over, above what it has between
two steps, or once the network is built; how long either takes; and what lies on the disk.
"""

from __future__ import annotations

import argparse
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
import torch.distributed.checkpoint
from torch import Tensor

from benchmarks.ranks_here import as_ranks
from benchmarks.sharded import BATCH, BLOCKS, MB, WIDTH, Stack, stack_config, status
from trainctl.engine.config.presets import About
from trainctl.engine.config.resolve import Resolved
from trainctl.engine.config.schema import RunConfig
from trainctl.engine.data.batch import Batch, Split, Splits
from trainctl.engine.runs.layout import RunPaths
from trainctl.engine.training import session
from trainctl.engine.training.loop.keeping import Keeping

assert torch.distributed.checkpoint, "imported before anything is measured"
STEPS, SAVES = 4, 3


class Saved(Stack):
    """The same network for a few steps; notes what memory the process has, and when."""

    noted: ClassVar[dict[str, float]] = {}
    begun: ClassVar[float] = 0.0

    def load(self) -> Splits:
        def split(count: int) -> Split:
            return Split({"x": torch.randn(count, self.width), "y": torch.randn(count, self.width)})

        return Splits(split(STEPS * BATCH), split(BATCH))

    def augment(self, batch: Batch, generator: torch.Generator) -> Batch:
        """Before the first step of a sitting all has been taken over."""
        if "resume_s" not in self.noted:
            self.noted["resume_s"] = time.perf_counter() - self.begun
            self.noted["resume"] = status("VmHWM") - self.noted["built"]
        return batch


def peak_of(work: Callable[[], Any]) -> tuple[Any, float, float]:
    """What it gives, the most memory in it above what there was before, in MB, and seconds."""
    Path("/proc/self/clear_refs").write_text("5")
    before, began = status("VmRSS"), time.perf_counter()
    given = work()
    return given, status("VmHWM") - before, time.perf_counter() - began


def _watched_saving() -> None:
    save = Keeping.save

    def watched(self: Keeping, *given: Any, **named: Any) -> bool:
        done, peak, seconds = peak_of(lambda: save(self, *given, **named))
        Saved.noted["save"] = max(peak, Saved.noted.get("save", 0))
        Saved.noted["save_s"] = min(seconds, Saved.noted.get("save_s", np.inf))
        return done

    Keeping.save = watched


def _watched_building() -> None:
    build = session.assemble_run

    def watched(*given: Any) -> Any:
        built = build(*given)
        Path("/proc/self/clear_refs").write_text("5")
        Saved.noted["built"], Saved.begun = status("VmRSS"), time.perf_counter()
        return built

    session.assemble_run = watched


NAMES = ("save", "save_s", "resume", "resume_s")


def _rank(rank: int, size: int, port: int, root: str, config: dict[str, Any], width: int, resume: bool) -> None:
    torch.set_num_threads(1)
    _watched_saving()
    _watched_building()
    paths, Saved.width = RunPaths(Path(root)), width
    resolved = Resolved(RunConfig.model_validate(config), {}, "stack", About(), "small")
    environ = {"RANK": str(rank), "WORLD_SIZE": str(size), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    session.train(
        session.Order(resolved, Saved, None, lambda: paths, is_resumed=resume, argv=["benchmark"], environ=environ)
    )
    np.save(paths.root / f"noted{rank}.npy", np.array([Saved.noted[name] for name in NAMES]))


def sitting(root: Path, size: int, width: int, kind: str, epochs: int, *, resume: bool) -> list[Tensor]:
    """Train; what each rank noted."""
    config = stack_config(epochs, 0.999, {"shard": True, "checkpoint": kind})
    config["checkpoint"]["epoch_every_s"] = 0
    as_ranks(size, _rank, str(root), config, width, resume)
    return [np.load(root / f"noted{rank}.npy") for rank in range(size)]


def measure(root: Path, size: int, width: int, kind: str) -> None:
    """Train and go on, and say what saving and going on took."""
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir(parents=True)
    first = sitting(root, size, width, kind, SAVES, resume=False)
    paths = RunPaths(root)
    held = [paths.latest, *(root / "latest_model.parts").rglob("*")]
    sizes = sum(path.stat().st_size for path in held if path.is_file()) / MB
    second = sitting(root, size, width, kind, SAVES + 1, resume=True)
    for rank, (saved, resumed) in enumerate(zip(first, second, strict=True)):
        print(
            f"{kind:<5} rank {rank}: saving {saved[0]:.0f} MB more at most, {saved[1]:.2f} s; going on "
            f"{resumed[2]:.0f} MB more at most, {resumed[3]:.2f} s; {sizes:.0f} MB on the disk",
            flush=True,
        )


def main() -> None:
    """Both, one after the other."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sharded_checkpoints", description=__doc__)
    parser.add_argument("--ranks", type=int, default=2)
    parser.add_argument("--width", type=int, default=WIDTH)
    parser.add_argument("--folder", type=Path, default=Path(".cache/sharded"))
    arguments = parser.parse_args()
    weights = BLOCKS * (8 * arguments.width**2 + 5 * arguments.width)
    print(f"{weights / 1e6:.1f} million weights, {4 * weights / MB:.0f} MB; with moments and average four times that")
    for kind in ("whole", "parts"):
        measure(arguments.folder / f"saved-{kind}", arguments.ranks, arguments.width, kind)


if __name__ == "__main__":
    main()
