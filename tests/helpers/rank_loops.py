"""A loop that two processes train together, started by torchrun: says what each found, a JSON line a process.

`python -m torch.distributed.run ... rank_loops.py ddp|fsdp FOLDER`; an empty folder: nothing is watched in the program.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import torch
from foreign_loops import data, network
from torch import Tensor, distributed, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader, DistributedSampler

import trainctl


def local(tensor: Any) -> Tensor:
    """This process's part."""
    return tensor.to_local() if hasattr(tensor, "to_local") else tensor


def made(kind: str) -> nn.Module:
    """The network, spread as `kind` says."""
    torch.manual_seed(0)
    model = network()
    if kind == "ddp":
        return DistributedDataParallel(model)
    mesh = init_device_mesh("cpu", (distributed.get_world_size(),))
    for layer in (model[0], model[3]):
        fully_shard(layer, mesh=mesh)
    fully_shard(model, mesh=mesh)
    return model


def train(kind: str, folder: str) -> dict[str, Any]:
    """Two epochs; what this process saw."""
    torch.manual_seed(1)
    model = made(kind)
    opt = torch.optim.AdamW(model.parameters(), lr=1e-2)
    watch = trainctl.watch(opt, runs_dir=folder) if folder else None
    samples = data()
    sampler = DistributedSampler(samples)
    norms: list[float] = []
    for epoch in range(2):
        sampler.set_epoch(epoch)
        for x, y in DataLoader(samples, batch_size=8, sampler=sampler):
            nn.functional.cross_entropy(model(x), y).backward()
            norms.append(float(torch.stack([local(p.grad).norm() for p in model.parameters()]).norm()))
            nn.utils.clip_grad_norm_(model.parameters(), 0.05)
            opt.step()
            opt.zero_grad()
    if watch is not None:
        watch.close()
    path = None if watch is None or watch.path is None else str(watch.path)
    weights = [local(p.detach()).double().sum().item() for p in model.parameters()]
    return {"rank": distributed.get_rank(), "path": path, "weights": weights, "norms": norms}


def main() -> None:
    """One training for each kind."""
    kinds, folder = sys.argv[1].split(","), sys.argv[2]
    distributed.init_process_group("gloo")
    for kind in kinds:
        if folder:  # before and after: watching leaves nothing behind
            found = {"kind": kind, "alone": train(kind, "")["weights"], **train(kind, str(Path(folder) / kind))}
        else:
            found = {"kind": kind, **train(kind, "")}
        sys.stdout.write(json.dumps(found) + "\n")
        sys.stdout.flush()
    distributed.barrier()
    distributed.destroy_process_group()


if __name__ == "__main__":
    main()
