"""A watched loop is the loop it was: same weights to the last bit, every step recorded, norms as the loop has them."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from foreign_loops import data, events_of, network, own_norm, plain, records_of, unwatched, watched, weights
from torch import Tensor, nn
from torch.utils.data import DataLoader

from trainctl.engine.runs.events import EventKind
from trainctl.engine.runs.store import StepReader
from trainctl.engine.runs.summary import read_summary

STEPS = 40


def same(one: list[Tensor], other: list[Tensor]) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


OPTIMIZERS: dict[str, Callable[..., Any]] = {
    "adamw": lambda p: torch.optim.AdamW(p, lr=1e-2),
    "foreach": lambda p: torch.optim.Adam(p, lr=1e-2, foreach=True),
    "fused": lambda p: torch.optim.AdamW(p, lr=1e-2, fused=True),
    "sgd": lambda p: torch.optim.SGD(p, lr=1e-2, momentum=0.9, nesterov=True),
    "rmsprop": lambda p: torch.optim.RMSprop(p, lr=1e-3),
    "groups": lambda p: torch.optim.Adam([{"params": list(p)[:2], "lr": 1e-3}]),
}


@pytest.mark.few(2)
@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_watching_changes_no_bit(kind: str, tmp_path: Path) -> None:
    begin, end = watched(tmp_path)
    norms: list[float] = []
    assert same(
        plain(begin, STEPS, optimizer=OPTIMIZERS[kind], norms=norms),
        plain(unwatched, STEPS, optimizer=OPTIMIZERS[kind]),
    )
    records = records_of(end())
    assert records["step"].tolist() == list(range(1, STEPS + 1))
    if kind != "groups":  # of those the loop's own norm counts what is not trained too
        assert records["grad_norm"] == pytest.approx(norms, rel=1e-5)


@pytest.mark.few(1)
@pytest.mark.parametrize("options", [{"accumulate": 4}, {"clip": 0.05}, {"schedule": True}, {"log": True}], ids=str)
def test_watching_changes_no_bit_of_what_loops_do(options: dict[str, Any], tmp_path: Path) -> None:
    begin, end = watched(tmp_path)
    norms: list[float] = []
    assert same(plain(begin, STEPS, norms=norms, **options), plain(unwatched, STEPS, **options))
    records = records_of(end())
    assert len(records) == STEPS
    assert records["grad_norm"] == pytest.approx(norms, rel=1e-5), "norms are those from before clipping"
    assert np.isfinite(records["loss"]).all()
    assert (records["batch_size"] == 16 * options.get("accumulate", 1)).all()
    if options.get("schedule"):
        assert records["lr"][0, 0] == pytest.approx(1e-2) and records["lr"][-1, 0] == pytest.approx(1e-2 * 0.9**7)


def test_classes_and_epochs_come_from_the_loader(tmp_path: Path) -> None:
    begin, end = watched(tmp_path)
    plain(begin, 24)
    paths = end()
    records = records_of(paths)
    assert records["epoch"].tolist() == [1] * 8 + [2] * 8 + [3] * 8
    assert (records["classes"].sum(1) == 16).all()
    expected = np.bincount(data().tensors[1].numpy())
    assert records["classes"][:8].sum(0).tolist() == expected.tolist()
    epochs = [event for event in events_of(paths) if event.kind is EventKind.EPOCH]
    assert [event.data["epoch"] for event in epochs] == [1, 2, 3]
    assert epochs[0].data["train"]["loss"] == pytest.approx(float(records["loss"][:8].mean()), rel=1e-5)


def test_weights_of_terms_are_found(tmp_path: Path) -> None:
    begin, end = watched(tmp_path)
    torch.manual_seed(0)
    model = network()
    opt = torch.optim.SGD(model.parameters(), lr=0.1)
    watch = begin(opt)
    for x, y in DataLoader(data(), batch_size=8):
        ce, reg = nn.functional.cross_entropy(model(x), y), next(model.parameters()).pow(2).mean()
        watch.log(ce=ce, reg=reg, accuracy=(model(x).argmax(1) == y).float().mean(), note=3)
        (ce + 0.1 * reg).backward()
        opt.step()
        opt.zero_grad()
    paths = end()
    records = records_of(paths)
    assert records["weight.ce"] == pytest.approx(1.0) and records["weight.reg"] == pytest.approx(0.1)
    assert records["loss"] == pytest.approx(records["term.ce"] + 0.1 * records["term.reg"], rel=1e-5)
    assert (records["scalar.note"] == 3).all() and "scalar.accuracy" in (records.dtype.names or ())


def test_what_is_logged_at_some_steps_alone_is_not_missing_at_the_others(tmp_path: Path) -> None:
    begin, end = watched(tmp_path)
    model = network()
    opt = torch.optim.SGD(model.parameters(), lr=0.1)
    watch = begin(opt)
    for k, (x, y) in enumerate(DataLoader(data(), batch_size=8)):
        watch.log(always=k)
        if k % 3 == 0:
            watch.log(seldom=k)
        nn.functional.cross_entropy(model(x), y).backward()
        opt.step()
    layout = StepReader(end()).layout
    assert layout is not None and layout.scalars == ("always", "seldom") and layout.sparse == ("seldom",)


def test_a_closure_is_measured_once_its_gradients_are_there(tmp_path: Path) -> None:
    def loop(watching: Callable[..., Any], norms: list[float]) -> list[Tensor]:
        torch.manual_seed(2)
        model = nn.Linear(6, 2)
        opt = torch.optim.LBFGS(model.parameters(), lr=0.1, max_iter=4)
        watching(opt)
        for x, y in DataLoader(data(), batch_size=32):

            def closure(x: Tensor = x, y: Tensor = y) -> Tensor:
                opt.zero_grad()
                loss = nn.functional.cross_entropy(model(x), y)
                loss.backward()
                return loss

            closure()
            norms.append(own_norm(model))
            opt.step(closure)
        return weights(model)

    begin, end = watched(tmp_path)
    norms: list[float] = []
    assert same(loop(begin, norms), loop(unwatched, []))
    assert records_of(end())["grad_norm"] == pytest.approx(norms, rel=1e-5)


@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize("unscale", [False, True])
def test_a_gradient_scaler_is_taken_out_of_loss_and_norm(fused: bool, unscale: bool, tmp_path: Path) -> None:
    def loop(watching: Callable[..., Any], found: list[tuple[float, float]]) -> list[Tensor]:
        torch.manual_seed(3)
        model = nn.Linear(6, 2)
        opt = torch.optim.SGD(model.parameters(), lr=0.1, fused=fused)
        scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
        watching(opt)
        for x, y in DataLoader(data(), batch_size=16):
            loss = nn.functional.cross_entropy(model(x), y)
            scaler.scale(loss).backward()
            found.append((loss.item(), own_norm(model) / 1024))
            if unscale:
                scaler.unscale_(opt)
                nn.utils.clip_grad_norm_(model.parameters(), 0.01)
            scaler.step(opt)
            scaler.update()
            opt.zero_grad()
        return weights(model)

    begin, end = watched(tmp_path)
    found: list[tuple[float, float]] = []
    assert same(loop(begin, found), loop(unwatched, []))
    records = records_of(end())
    assert records["loss"] == pytest.approx([loss for loss, _ in found], rel=1e-5)
    assert records["grad_norm"] == pytest.approx([norm for _, norm in found], rel=1e-4)
    assert (records["amp_scale"] == 1024).all()


def test_a_step_that_a_scaler_leaves_out_is_recorded(tmp_path: Path) -> None:
    begin, end = watched(tmp_path)
    model = nn.Linear(6, 2)
    opt = torch.optim.SGD(model.parameters(), lr=0.1)
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0)
    begin(opt)
    for number in range(6):
        loss = model(torch.ones(4, 6)).sum() * (float("inf") if number == 3 else 1.0)
        scaler.scale(loss).backward()
        scaler.step(opt)
        scaler.update()
        opt.zero_grad()
    records = records_of(end())
    assert len(records) == 6
    assert (records["nonfinite"] > 0).tolist() == [False, False, False, True, False, False]


def test_two_optimisers_are_one_run(tmp_path: Path) -> None:
    def loop(watching: Callable[..., Any]) -> list[Tensor]:
        torch.manual_seed(4)
        one, two = nn.Linear(6, 3), nn.Linear(6, 1)
        opts = torch.optim.SGD(one.parameters(), lr=0.1), torch.optim.Adam(two.parameters(), lr=1e-3)
        watching()
        for x, _ in DataLoader(data(), batch_size=16):
            for model, opt in zip((one, two), opts, strict=True):
                opt.zero_grad()
                model(x).pow(2).mean().backward()
                opt.step()
        return weights(one) + weights(two)

    begin, end = watched(tmp_path)
    assert same(loop(begin), loop(unwatched))
    records = records_of(end())
    assert len(records) == 8
    assert np.isfinite(records["term.loss.sgd"]).all() and np.isfinite(records["term.loss.adam"]).all()
    assert records["loss"] == pytest.approx(records["term.loss.sgd"] + records["term.loss.adam"])
    assert records["lr"][0].tolist() == pytest.approx([0.1, 1e-3])


def test_sparse_gradients_and_steps_without_any(tmp_path: Path) -> None:
    begin, end = watched(tmp_path)
    table, unused = nn.Embedding(10, 4, sparse=True), nn.Linear(4, 1)
    opt = torch.optim.SGD([*table.parameters(), *unused.parameters()], lr=0.1)
    begin(opt)
    for _ in range(3):
        opt.zero_grad()
        table(torch.tensor([1, 1, 3])).sum().backward()
        opt.step()
    records = records_of(end())
    assert records["grad_norm"] == pytest.approx([np.sqrt(4 * (4 + 1))] * 3)


def test_a_rate_that_is_a_tensor_is_read_on_its_device(tmp_path: Path) -> None:
    begin, end = watched(tmp_path)
    model = nn.Linear(2, 1)
    opt = torch.optim.Adam(model.parameters(), lr=torch.tensor(0.01), foreach=False, capturable=False)
    begin(opt)
    for number in range(4):
        opt.zero_grad()
        model(torch.ones(1, 2)).sum().backward()
        opt.step()
        opt.param_groups[0]["lr"].fill_(0.01 / (number + 2))
    assert records_of(end())["lr"][:, 0] == pytest.approx([0.01, 0.005, 0.01 / 3, 0.0025])


@pytest.fixture
def hasty() -> Iterator[None]:
    """Threads that take turns in the middle of everything."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(before)


@pytest.mark.parametrize("attempt", range(6))
def test_threads_and_several_watches_keep_apart(tmp_path: Path, hasty: None, attempt: int) -> None:
    found: dict[str, Any] = {}

    def train(name: str, factor: float) -> None:
        begin, end = watched(tmp_path / name)
        model = nn.Linear(2, 1, bias=False)
        opt = torch.optim.SGD(model.parameters(), lr=0.0)
        begin(opt)
        for _ in range(30):
            opt.zero_grad()
            (model(torch.ones(1, 2)).sum() * 0 + factor * (model.weight * 0 + 1).sum()).backward()
            opt.step()
        found[name] = records_of(end())

    threads = [threading.Thread(target=train, args=(name, factor)) for name, factor in (("one", 1.0), ("two", 2.0))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (found["one"]["loss"] == 2.0).all() and (found["two"]["loss"] == 4.0).all()
    assert len(found["one"]) == len(found["two"]) == 30


def test_modules_that_are_half_made_stand_in_nobodys_way(tmp_path: Path) -> None:
    """All modules of the process are looked through for the network; another thread may be making one."""
    half, other = nn.Linear.__new__(nn.Linear), torch.optim.SGD.__new__(torch.optim.SGD)
    begin, end = watched(tmp_path)
    plain(begin, 2)
    assert len(records_of(end())) == 2 and not hasattr(half, "_parameters")
    assert not vars(other)


def test_torch_is_as_it_was_after_the_last_watch(tmp_path: Path) -> None:
    before = torch.autograd.backward, DataLoader.__iter__
    begin, end = watched(tmp_path)
    plain(begin, 2)
    assert torch.autograd.backward is not before[0]
    end()
    assert (torch.autograd.backward, DataLoader.__iter__) == before


def test_a_validation_is_an_event_and_the_summary_knows_the_best(tmp_path: Path) -> None:
    begin, end = watched(tmp_path)
    model = network()
    opt = torch.optim.SGD(model.parameters(), lr=0.1)
    watch = begin(opt)
    for epoch, accuracy in enumerate((0.5, 0.9, 0.8)):
        for x, y in DataLoader(data(), batch_size=64):
            nn.functional.cross_entropy(model(x), y).backward()
            opt.step()
        watch.validation({"accuracy": torch.tensor(accuracy), "loss": 1.0}, epoch=epoch)
    paths = end()
    summary = read_summary(paths)
    assert summary is not None and summary.best is not None
    assert (summary.best.metric, summary.best.epoch) == ("accuracy", 2)
    assert summary.best.value == pytest.approx(0.9)
    assert [event.step for event in events_of(paths) if event.kind is EventKind.VALIDATION] == [2, 4, 6]


def test_what_nobody_tells_is_unmeasured_and_no_fault(tmp_path: Path) -> None:
    begin, end = watched(tmp_path)
    model = nn.Linear(6, 2)
    opt = torch.optim.SGD(model.parameters(), lr=0.1)
    begin(opt)
    x, y = data().tensors
    for _ in range(20):
        loss = nn.functional.cross_entropy(model(x), y)
        for p, grad in zip(model.parameters(), torch.autograd.grad(loss, list(model.parameters())), strict=True):
            p.grad = grad
        opt.step()
    paths = end()
    layout = StepReader(paths).layout
    assert layout is not None
    assert layout.unmeasured == ("loss", "term.loss", "weight.loss", "batch_size", "data_s")
    assert (records_of(paths)["grad_norm"] > 0).all()
    summary = read_summary(paths)
    assert summary is not None and not summary.findings
