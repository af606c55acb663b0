"""Several optimisers in a loop: at different paces, on one loss, in the backward pass; trainings one after another."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from foreign_loops import data, events_of, network, own_norm, plain, records_of, unwatched, watched, weights
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader

from trainctl.engine.runs.events import EventKind
from trainctl.engine.runs.layout import RunPaths
from trainctl.engine.runs.store import StepReader
from trainctl.engine.watch.watch import ALIVE, watch_when_stepped


def same(one: list[Tensor], other: list[Tensor]) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


def texts(paths: RunPaths, kind: EventKind) -> list[str]:
    return [str(event.data["text"]) for event in events_of(paths) if event.kind is kind]


def critics_first(watching: Callable[..., Any]) -> list[Tensor]:
    """A critic that steps five times for each step of the generator."""
    torch.manual_seed(1)
    critic, generator = nn.Linear(6, 1), nn.Linear(6, 6)
    of_critic = torch.optim.Adam(critic.parameters(), lr=1e-2)
    of_generator = torch.optim.RMSprop(generator.parameters(), lr=1e-3)
    watching()
    for number, (x, _) in enumerate(DataLoader(data(), batch_size=4)):
        of_critic.zero_grad()
        (critic(x) - critic(generator(x).detach())).mean().backward()
        of_critic.step()
        if number % 5 == 4:
            of_generator.zero_grad()
            (1 - critic(generator(x))).mean().backward()
            of_generator.step()
    return weights(critic) + weights(generator)


def test_an_optimiser_that_steps_less_often_keeps_its_newest_figures(tmp_path: Path) -> None:
    begin, end = watched(tmp_path)
    assert same(critics_first(begin), critics_first(unwatched))
    records = records_of(end())
    assert len(records) == 32, "a step is one of the critic"
    assert (records["nonfinite"] == 0).all() and np.isfinite(records["loss"]).all()
    assert np.allclose(records["lr"], [1e-2, 1e-3])
    own = records["term.loss.rmsprop"]
    assert len(set(own.tolist())) == 6, "new at every fifth step only"
    assert len(set(records["term.loss.adam"].tolist())) == 32


def test_one_loss_for_two_optimisers_is_one_loss(tmp_path: Path) -> None:
    def loop(watching: Callable[..., Any]) -> list[Tensor]:
        torch.manual_seed(2)
        body, head = nn.Linear(6, 16), nn.Linear(16, 2)
        model = nn.Sequential(body, nn.ReLU(), head)
        opts = torch.optim.SGD(body.parameters(), lr=0.1), torch.optim.AdamW(head.parameters(), lr=1e-2)
        watching(*opts)
        for x, y in DataLoader(data(), batch_size=16):
            cross_entropy(model(x), y).backward()
            norms.append(own_norm(model))
            for opt in opts:
                opt.step()
                opt.zero_grad()
        return weights(model)

    norms: list[float] = []
    begin, end = watched(tmp_path)
    assert same(loop(begin), loop(unwatched))
    paths = end()
    records = records_of(paths)
    assert np.isfinite(records["loss"]).all() and "term.loss" in (records.dtype.names or ())
    assert records["grad_norm"] == pytest.approx(norms[:8], rel=1e-5)
    layout = StepReader(paths).layout
    assert layout is not None and layout.frozen == (), "what one leaves out the other trains"


@pytest.mark.parametrize("is_named", [False, True])
def test_optimisers_that_step_in_the_backward_pass_are_one(is_named: bool, tmp_path: Path) -> None:
    def loop(watching: Callable[..., Any]) -> list[Tensor]:
        torch.manual_seed(3)
        model = network()
        opts = {p: torch.optim.AdamW([p], lr=1e-2) for p in model.parameters()}

        def step(p: Tensor) -> None:
            assert p.grad is not None
            squares.append(float(p.grad.pow(2).sum()))
            opts[p].step()  # pyright: ignore[reportArgumentType]
            opts[p].zero_grad()  # pyright: ignore[reportArgumentType]

        for p in model.parameters():
            p.register_post_accumulate_grad_hook(step)
        watching(*(opts.values() if is_named else ()))
        for x, y in DataLoader(data(), batch_size=16, shuffle=True):
            loss = cross_entropy(model(x), y)
            losses.append(loss.item())
            loss.backward()
        return weights(model)

    squares, losses = list[float](), list[float]()
    begin, end = watched(tmp_path)
    found = loop(begin)
    records = records_of(end())
    assert same(found, loop(unwatched))
    assert records["loss"] == pytest.approx(losses[:8], rel=1e-6)
    assert records["grad_norm"] == pytest.approx(np.sqrt(np.reshape(squares[:32], (8, 4)).sum(1)), rel=1e-5)
    groups = {name for name in records.dtype.names or () if name.startswith("grad_norm.")}
    assert groups == {"grad_norm.0", "grad_norm.3"}, "a layer's weight and bias, though each has its optimiser"
    assert records["lr"].shape == (8, 1) and (records["batch_size"] == 16).all()


def test_clipping_before_the_first_step_is_heard_though_nobody_named_the_optimiser(tmp_path: Path) -> None:
    begin, end = watched(tmp_path)
    norms: list[float] = []
    plain(lambda _: begin(), 8, clip=0.05, norms=norms)
    assert records_of(end())["grad_norm"] == pytest.approx(norms, rel=1e-5)


def test_parameters_that_join_later_cost_no_record(tmp_path: Path) -> None:
    begin, end = watched(tmp_path)
    torch.manual_seed(4)
    head, body = nn.Linear(6, 2), nn.Linear(6, 6)
    opt = torch.optim.SGD(head.parameters(), lr=0.1)
    begin(opt)
    for number, (x, y) in enumerate(DataLoader(data(), batch_size=4)):
        if number == 20:
            opt.add_param_group({"params": body.parameters(), "lr": 0.01})
        opt.zero_grad()
        cross_entropy(head(body(x)), y).backward()
        opt.step()
    paths = end()
    records = records_of(paths)
    assert len(records) == 32 and records["lr"].shape == (32, 1)
    assert texts(paths, EventKind.WARNING) == [
        "2 parameter tensors of sgd joined after the columns were decided: their gradients are in no norm"
    ]


def test_an_optimiser_that_comes_too_late_is_named(tmp_path: Path) -> None:
    begin, end = watched(tmp_path)
    one, other = nn.Linear(6, 2), nn.Linear(6, 2)
    first, second = torch.optim.SGD(one.parameters(), lr=0.1), torch.optim.Adam(other.parameters())
    begin()
    for number, (x, y) in enumerate(DataLoader(data(), batch_size=4)):
        for opt in (first, second) if number > 24 else (first,):
            opt.zero_grad()
            cross_entropy(one(x) + other(x), y).backward()
            opt.step()
    paths = end()
    assert len(records_of(paths)) == 32
    (text,) = texts(paths, EventKind.WARNING)
    assert text.startswith("Adam over 2 tensors steps too and is not recorded")


def test_what_led_may_rest(tmp_path: Path) -> None:
    begin, end = watched(tmp_path)
    one, other = nn.Linear(6, 2), nn.Linear(6, 2)
    opts = torch.optim.SGD(one.parameters(), lr=0.1), torch.optim.Adam(other.parameters())
    begin(*opts)
    for opt in opts:
        for x, y in DataLoader(data(), batch_size=8):
            opt.zero_grad()
            cross_entropy(one(x) + other(x), y).backward()
            opt.step()
    records = records_of(end())
    assert len(records) == 32 or len(records) == 31
    assert (records["nonfinite"] == 0).all() and np.isfinite(records["loss"]).all()


@pytest.mark.slow
def test_a_program_that_trains_one_network_after_another_has_a_run_of_each(tmp_path: Path) -> None:
    before = list(ALIVE)
    watch_when_stepped("twice", str(tmp_path), None)
    one, other = nn.Linear(6, 2), nn.Linear(6, 2)
    opts = torch.optim.SGD(one.parameters(), lr=0.1), torch.optim.Adam(other.parameters())
    for model, opt in zip((one, other), opts, strict=True):  # both live on
        for _ in range(2):
            for x, y in DataLoader(data(), batch_size=4):
                opt.zero_grad()
                cross_entropy(model(x), y).backward()
                opt.step()
    for held in [found for found in ALIVE if found not in before]:
        held.close()
    runs = sorted(path for path in tmp_path.iterdir() if not path.is_symlink())
    assert [len(records_of(RunPaths(path))) for path in runs] in ([64, 44], [44, 64])
