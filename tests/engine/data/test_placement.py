"""Data that are made on a device stay there: a feed takes them as they lie, and a few are looked at in memory."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from toy import resolved

from trainctl.engine.data.batch import Split, Splits
from trainctl.engine.data.feed import fits, has_room
from trainctl.engine.data.names import NumberedNames
from trainctl.engine.data.placement import made_on, making_device
from trainctl.engine.diagnosis.probes.preflight import load_or_labels
from trainctl.engine.training.setup import assemble_run

CUDA = torch.device("cuda")
META = torch.device("meta")


def test_data_are_made_on_the_cpu_unless_somebody_says_where() -> None:
    assert making_device() == torch.device("cpu")
    with made_on(META):
        assert making_device() == META
    assert making_device() == torch.device("cpu")


def test_a_task_that_loads_for_a_run_or_a_diagnosis_is_told_the_device() -> None:
    from toy_task import ToyTask

    told: list[torch.device | None] = []

    class Told(ToyTask):
        def load(self) -> Splits:
            told.append(making_device())
            return super().load()

    config = resolved(runtime={"device": "cpu:0"}).config
    assemble_run(config, Told, None)
    load_or_labels(Told(config), torch.device("cpu:0"))
    assert told == [torch.device("cpu:0")] * 2


def test_what_lies_on_the_device_needs_no_room_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (1000, 1000))
    assert has_room(500, CUDA) and not has_room(501, CUDA)
    with FakeTensorMode():
        images, labels = torch.zeros(600, dtype=torch.uint8, device=CUDA), torch.zeros(600, dtype=torch.uint8)
        assert fits({"images": images, "labels": labels}, CUDA)
        assert not fits({"labels": labels}, CUDA)


def test_samples_are_looked_at_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    moved: list[tuple[int, ...]] = []

    def cpu(tensor: Tensor) -> Tensor:
        moved.append(tuple(tensor.shape))
        return torch.zeros(tensor.shape, dtype=tensor.dtype)

    monkeypatch.setattr(Tensor, "cpu", cpu)
    split = Split({"images": torch.zeros(900, 3, 8, 16, device=META)}, torch.zeros(900, dtype=torch.int64))
    assert split.at(torch.tensor([4, 2]))["images"].device.type == "cpu"
    assert len(split.few(100)["images"]) == 100
    assert max(shape[0] for shape in moved) == 100, "never all of it"


def test_labels_stay_in_memory_where_a_task_puts_them_on_the_device() -> None:
    with FakeTensorMode():
        split = Split({"x": torch.zeros(5, 2, device=CUDA), "labels": torch.zeros(5, dtype=torch.int64, device=CUDA)})
        assert split.labels is not None and split.labels.device.type == "cpu"


def test_numbered_names_are_made_when_they_are_asked_for() -> None:
    names = NumberedNames("eye", torch.tensor([5, 0, 7]).numpy())
    assert list(names) == ["eye 5", "eye 0", "eye 7"]
    assert (len(names), names[-1], list(names[1:]), "eye 0" in names) == (3, "eye 7", ["eye 0", "eye 7"], True)
    assert not NumberedNames("eye", torch.tensor([]).numpy())
