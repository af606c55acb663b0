"""Whole copies beside parts: `python -m benchmarks.sharded [--ranks 2] [--width 400] [--decay 0.999]`.

Trains a network of 41 MB (8 blocks of two layers at width 400, AdamW) with gloo ranks of a thread each, first with
DistributedDataParallel, then with `ranks.shard`. Of each rank: resident memory before the network is built, between two
steps, and the most within steps 20 to 60, as the kernel counts it; and the median of a step.
"""

from __future__ import annotations

import argparse
import re
import shutil
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
import torch._dynamo
import torch.distributed.fsdp
from torch import Tensor, nn

from benchmarks.ranks_here import as_ranks
from trainctl.engine.config.presets import About
from trainctl.engine.config.resolve import Resolved
from trainctl.engine.config.schema import RunConfig
from trainctl.engine.data.batch import Batch, Split, Splits
from trainctl.engine.runs.layout import RunPaths
from trainctl.engine.runs.store import StepReader
from trainctl.engine.tasks.task import StepOutput, Task
from trainctl.engine.training.session import Order, train

assert torch._dynamo and torch.distributed.fsdp, "imported before anything is measured"
BLOCKS, WIDTH, BATCH = 8, 400, 32
FIRST, LAST = 20, 60
MB = 1e6


class Block(nn.Module):
    """Eight times the square of its width in weights."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.wide, self.narrow = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x_BD: Tensor) -> Tensor:
        return x_BD + self.narrow(self.wide(x_BD).relu())


class Stack(Task):
    """Blocks one after the other; notes what memory the process has."""

    width = WIDTH
    noted: ClassVar[dict[str, float]] = {}
    steps = 0

    def load(self) -> Splits:
        def split(count: int) -> Split:
            return Split({"x": torch.randn(count, self.width), "y": torch.randn(count, self.width)})

        return Splits(split(LAST * BATCH), split(BATCH))

    def build_model(self, splits: Splits) -> nn.Module:
        self.noted["before"] = status("VmRSS")
        return nn.Sequential(*(Block(self.width) for _ in range(BLOCKS)))

    def augment(self, batch: Batch, generator: torch.Generator) -> Batch:
        """Between two steps."""
        type(self).steps += 1
        if self.steps == FIRST:
            Path("/proc/self/clear_refs").write_text("5")  # from here on the most is counted anew
        if FIRST <= self.steps <= LAST:
            self.noted["between"] = max(status("VmRSS"), self.noted.get("between", 0))
            self.noted["most"] = status("VmHWM")
        return batch

    def step(self, model: nn.Module, batch: Batch) -> StepOutput:
        return StepOutput({"square": (model(batch["x"]) - batch["y"]).square().mean()})


def status(name: str) -> float:
    """What the kernel says of this process, in MB."""
    found = re.search(rf"{name}:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found is not None
    return int(found[1]) * 1024 / MB


def _rank(rank: int, size: int, port: int, root: str, config: dict[str, Any], width: int) -> None:
    torch.set_num_threads(1)
    paths, Stack.width = RunPaths(Path(root)), width
    resolved = Resolved(RunConfig.model_validate(config), {}, "stack", About(), "small")
    environ = {"RANK": str(rank), "WORLD_SIZE": str(size), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    train(Order(resolved, Stack, None, lambda: paths, argv=["benchmark"], environ=environ))
    np.save(paths.root / f"noted{rank}.npy", np.array([Stack.noted[name] for name in ("before", "between", "most")]))


def stack_config(epochs: int, decay: float | None, ranks: dict[str, Any]) -> dict[str, Any]:
    """Of a run of the stack that validates never and saves where it must; `decay` of averaged weights, if any."""
    return {
        "task": "stack",
        "train": {"epochs": epochs, "batch_size": BATCH, "eval_every": 1000},
        "ema": {"decay": decay},
        "runtime": {"device": "cpu"},
        "checkpoint": {"every_s": 0},
        "record": {"update_ratio_every": 0},
        "ranks": ranks,
    }


def measure(root: Path, size: int, width: int, decay: float | None, *, shard: bool) -> None:
    """Train once, and say what it took."""
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir(parents=True)
    config = stack_config(1, decay, {"shard": shard})
    as_ranks(size, _rank, str(root), config, width)
    step_s = np.median(StepReader(RunPaths(root)).all()["step_s"][FIRST:])
    for rank in range(size):
        before, between, most = np.load(root / f"noted{rank}.npy")
        kind = "parts" if shard else "copies"
        print(
            f"{kind:<7} rank {rank}: {before:.0f} MB before the network, between steps {between - before:.0f} MB more, "
            f"at most {most - before:.0f} MB more; a step {1e3 * step_s:.0f} ms",
            flush=True,
        )


def main() -> None:
    """Both, one after the other."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sharded", description=__doc__)
    parser.add_argument("--ranks", type=int, default=2)
    parser.add_argument("--width", type=int, default=WIDTH)
    parser.add_argument("--decay", type=float, default=None, help="of averaged weights; none are kept without it")
    parser.add_argument("--folder", type=Path, default=Path(".cache/sharded"))
    arguments = parser.parse_args()
    weights = BLOCKS * (8 * arguments.width**2 + 5 * arguments.width)
    print(f"{weights / 1e6:.1f} million weights, {4 * weights / MB:.0f} MB")
    for shard in (False, True):
        root = arguments.folder / ("parts" if shard else "copies")
        measure(root, arguments.ranks, arguments.width, arguments.decay, shard=shard)


if __name__ == "__main__":
    main()
