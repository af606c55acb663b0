"""Training loops as people write them, each with and without a watch: same seed, same weights or it was disturbed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from trainctl.engine.runs.events import Event, EventReader
from trainctl.engine.runs.layout import RunPaths
from trainctl.engine.runs.record import Records
from trainctl.engine.runs.store import StepReader
from trainctl.engine.watch.watch import Watch, watch


def data(size: int = 128) -> TensorDataset:
    """Two classes that a line tells apart."""
    generator = torch.Generator().manual_seed(7)
    x = torch.randn(size, 6, generator=generator)
    return TensorDataset(x, (x[:, 0] + x[:, 1] > 0).long())


def network() -> nn.Sequential:
    """A small one with dropout, so that random numbers matter."""
    return nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Dropout(0.1), nn.Linear(16, 2))


def weights(model: nn.Module) -> list[Tensor]:
    """Copies of the parameters."""
    return [p.detach().clone() for p in model.parameters()]


def own_norm(model: nn.Module) -> float:
    """Norm of all gradients, as a loop would compute it."""
    return float(torch.stack([p.grad.norm() for p in model.parameters() if p.grad is not None]).norm())


def plain(
    watching: Callable[..., Any], steps: int, *, optimizer: Callable[..., Any] | None = None, **options: Any
) -> list[Tensor]:
    """The loop of every tutorial; `options`: accumulate, clip, schedule, log."""
    torch.manual_seed(1)
    model = network()
    opt = (optimizer or (lambda params: torch.optim.AdamW(params, lr=1e-2)))(model.parameters())
    schedule = torch.optim.lr_scheduler.StepLR(opt, 5, 0.9) if options.get("schedule") else None
    loader = DataLoader(data(), batch_size=16, shuffle=True)
    held = watching(opt)
    done, accumulate = 0, options.get("accumulate", 1)
    while done < steps:
        for number, (x, y) in enumerate(loader):
            loss = nn.functional.cross_entropy(model(x), y) / accumulate
            if options.get("log"):
                held.log(ce=loss)
            loss.backward()
            if (number + 1) % accumulate:
                continue
            options.get("norms", []).append(own_norm(model))
            if options.get("clip"):
                nn.utils.clip_grad_norm_(model.parameters(), options["clip"])
            opt.step()
            opt.zero_grad()
            if schedule is not None:
                schedule.step()
            done += 1
            if done == steps:
                break
    return weights(model)


def unwatched(*args: Any, **kwargs: Any) -> Any:
    """In place of `watch`: nothing is heard."""
    del args, kwargs

    class Nothing:
        def log(self, **values: Any) -> None:
            pass

    return Nothing()


def watched(folder: Path, **options: Any) -> tuple[Callable[..., Watch], Callable[[], RunPaths]]:
    """A `watch` that writes into `folder`, and what ends it and tells where the run is."""
    held: list[Watch] = []

    def begin(*optimizers: Any, **more: Any) -> Watch:
        held.append(watch(*optimizers, runs_dir=folder, **options, **more))
        return held[-1]

    def end() -> RunPaths:
        held[-1].close()
        assert held[-1].path is not None
        return RunPaths(held[-1].path)

    return begin, end


def records_of(paths: RunPaths) -> Records:
    """All step records."""
    return StepReader(paths).all()


def events_of(paths: RunPaths) -> list[Event]:
    """All events."""
    return EventReader(paths).read_new()
