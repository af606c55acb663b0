"""What `run --debug` prints."""

from __future__ import annotations

import torch
from toy_task import CLASSES, ToyNet, ToyTask, make_splits

from trainctl.engine.diagnosis.probes.debug import DebugPrinter, find_labels


def printed(labels: torch.Tensor, *, batches: int = 3, calls: int = 1, frozen: bool = False) -> list[str]:
    lines: list[str] = []
    task, model = ToyTask(), ToyNet()
    if frozen:
        model.encoder.requires_grad_(False)
    batch = {"x": make_splits().train.tensors["x"][: len(labels)].clone(), "labels": labels}
    batch["x"][0, 0] = float("inf")
    printer = DebugPrinter(lines.append, CLASSES, batches)
    for step in range(1, calls + 1):
        output = task.step(model, batch)
        output.terms["ce"].backward()
        printer.after_backward(step, batch, output, model)
    return lines


def test_a_mixed_batch_is_shown_with_its_classes_and_found_good() -> None:
    lines = printed(torch.tensor([0, 0, 1, 3]))
    assert lines[0] == "[DEBUG] Batch 0 labels - unique: [0, 1, 3], counts: [2, 1, 1]"
    assert lines[1] == "[DEBUG] ✓ ok: the batch holds 3 of 4 classes"


def test_a_batch_of_one_class_is_warned_about() -> None:
    lines = printed(torch.full((32,), 2))
    assert lines[0] == "[DEBUG] Batch 0 labels - unique: [2], counts: [32]"
    assert lines[1] == "[DEBUG] ! WARNING: all 32 samples of the batch are of class 2 (c)"


def test_inputs_outputs_and_losses_are_described_with_what_is_not_finite() -> None:
    lines = printed(torch.tensor([0, 1, 2, 3]))
    assert any("input x float32 4×6" in line and "! WARNING: 1 NaN or Inf" in line for line in lines)
    assert any("output logits float32 4×4" in line for line in lines)
    assert any("loss ce float32 scalar" in line for line in lines)


def test_the_gradient_check_counts_parameters_and_names_what_is_frozen() -> None:
    free, frozen = printed(torch.tensor([0, 1])), printed(torch.tensor([0, 1]), frozen=True)
    assert any(line.endswith("Params with grad: 4 of 4") for line in free)
    assert any(line.endswith("Frozen modules: none") for line in free)
    assert any(line.endswith("Params with grad: 2 of 4") for line in frozen)
    assert any(line.endswith("Frozen modules: encoder") for line in frozen)


def test_only_the_first_batches_are_printed() -> None:
    lines = printed(torch.tensor([0, 1]), batches=2, calls=5)
    assert [line for line in lines if "labels - unique" in line] == [
        "[DEBUG] Batch 0 labels - unique: [0, 1], counts: [1, 1]",
        "[DEBUG] Batch 1 labels - unique: [0, 1], counts: [1, 1]",
    ]


def test_a_network_without_any_gradient_is_warned_about() -> None:
    lines: list[str] = []
    task, model = ToyTask(), ToyNet()
    batch = {"x": torch.randn(4, 6), "labels": torch.tensor([0, 1, 2, 3])}
    DebugPrinter(lines.append, CLASSES).after_backward(1, batch, task.step(model, batch), model)
    assert any("no parameter has a gradient" in line for line in lines)


def test_soft_targets_are_not_taken_for_classes() -> None:
    assert find_labels({"targets": torch.rand(4)}) is None
    assert find_labels({"labels": torch.tensor([1, 0]), "targets": torch.rand(2)}) is not None
