"""What the network of conversations is as ONNX: features, speakers and what is there to logits and probabilities.

Without the decoders of the autoencoders, which answer nothing. How a file is written and checked is in
`trainctl.engine.tasks.onnx_export`.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from trainctl.engine.data.emotion.known import Known
from trainctl.engine.data.emotion.options import MODALITIES
from trainctl.engine.models.emotion.context import GatedMemory
from trainctl.engine.models.emotion.gates import Gated
from trainctl.engine.models.emotion.net import MOST_SPEAKERS, EmotionNet
from trainctl.engine.tasks.emotion.config import EmotionConfig
from trainctl.engine.tasks.onnx_export import Exported, export, on_cpu, require_room

LEFT_OUT = "the decoders of both autoencoders, which no answer needs"
CHECKED: Sequence[Sequence[int]] = ((1,), (7,), (3, 9, 1), (12, 12), (2, 30, 17, 5))
"""Lengths of the dialogues of each batch compared, padded to the longest."""
TRACED = (4, 3)


class Memory(nn.Module):
    """The gated memory for dialogues of any length: its loop is scripted, a trace would fix the number of turns."""

    def __init__(self, memory: GatedMemory) -> None:
        super().__init__()
        self.forget, self.input = memory.forget, memory.input
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            self.carry = torch.jit.script(_carried)

    def forward(self, x_BLW: Tensor) -> tuple[Tensor, list[Gated]]:
        """As that of `GatedMemory`."""
        forget, take = self.forget(x_BLW), self.input(x_BLW)
        return self.carry(forget.value, take.value * x_BLW), [forget, take]


def _carried(kept_BLW: Tensor, taken_BLW: Tensor) -> Tensor:
    """m_t = kept_t · m_{t−1} + taken_t for all t."""
    memory_BW = torch.zeros_like(taken_BLW[:, 0])
    states: list[Tensor] = []
    for step in range(kept_BLW.size(1)):
        memory_BW = taken_BLW[:, step] + kept_BLW[:, step] * memory_BW
        states.append(memory_BW)
    return torch.stack(states, 1)


class Answer(nn.Module):
    """What is traced: no step depends on how much of a batch is padding.

    Takes the features of each modality that the training had, (B, L, features), speakers and which utterances are
    there, (B, L).
    """

    def __init__(self, net: EmotionNet, known: Known) -> None:
        super().__init__()
        self.net, self.known = copy.deepcopy(net), known
        self.net.memory = Memory(net.memory)  # pyright: ignore[reportAttributeAccessIssue]

    def forward(self, *given: Tensor) -> tuple[Tensor, Tensor]:
        """Logits and probabilities, (B, L, C)."""
        features_BLD, speakers_BL, valid_BL = _taken_apart(given, self.known)
        codes = (autoencoder(features_BLD)[0] for autoencoder in (self.net.everything, self.net.modalities))
        whole_BLW, parts_BLW = (code_BLW * valid_BL[..., None] for code_BLW in codes)
        logits_BLC, _ = self.net.answer(whole_BLW, parts_BLW, speakers_BL, valid_BL)
        return logits_BLC, logits_BLC.softmax(-1)


def export_onnx(
    config: EmotionConfig,
    model: nn.Module,
    known: Known,
    classes: Sequence[str],
    path: Path,
    *,
    overwrite: bool = False,
) -> dict[str, Any]:
    """Write `model` to `path` after comparing it with torch on random dialogues of several lengths.

    Returns and raises:
        As `trainctl.engine.tasks.onnx_export.export`; beside that what is `left_out`.
    """
    require_room(path, overwrite=overwrite)
    net = on_cpu(model)
    assert isinstance(net, EmotionNet)
    widths = {name: known.widths[MODALITIES.index(name)] for name in known.present}
    features = {name: ["B", "L", width] for name, width in widths.items()}
    generator = torch.Generator().manual_seed(0)
    exported = Exported(
        Answer(net, known).eval(),
        {**features, "speakers": ["B", "L"], "valid": ["B", "L"]},
        {name: ["B", "L", len(classes)] for name in ("logits", "probabilities")},
        tuple(_dialogues(TRACED, widths.values(), generator)),
        [tuple(_dialogues(lengths, widths.values(), generator)) for lengths in CHECKED],
        lambda *given: _trained(net, known, given),
        _facts(config, known, classes),
    )
    return export(exported, path, overwrite=overwrite) | {"left_out": LEFT_OUT}


def _taken_apart(given: Sequence[Tensor], known: Known) -> tuple[Tensor, Tensor, Tensor]:
    """All features (B, L, Σd), zeros for what the training lacked; speakers; which utterances are there."""
    *features, speakers_BL, valid_BL = given
    there = dict(zip(known.present, features, strict=True))
    parts = [
        there[name] if name in there else torch.zeros(*valid_BL.shape, width)
        for name, width in zip(MODALITIES, known.widths, strict=True)
        if width
    ]
    return torch.cat(parts, -1), speakers_BL, valid_BL


def _trained(net: EmotionNet, known: Known, given: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    logits_BLC = net(*_taken_apart(given, known)).logits
    return logits_BLC, logits_BLC.softmax(-1)


def _dialogues(lengths: Sequence[int], widths: Iterable[int], generator: torch.Generator) -> Iterator[Tensor]:
    """Random inputs: features, speakers, which utterances are there."""
    shape = (len(lengths), max(lengths))
    valid_BL = torch.arange(shape[1]) < torch.tensor(lengths)[:, None]
    for width in widths:
        yield torch.randn(*shape, width, generator=generator) * valid_BL[..., None]
    yield torch.randint(0, MOST_SPEAKERS, shape, generator=generator)
    yield valid_BL


def _facts(config: EmotionConfig, known: Known, classes: Sequence[str]) -> dict[str, Any]:
    return {
        "classes": list(classes),
        "input": "features as those of the training, float32; speakers, int64, from 0; valid: true where there is an "
        "utterance, false behind a dialogue's end",
        "speakers": list(known.speakers),
        "left_out": LEFT_OUT,
        "model": config.model.model_dump(mode="json"),
    }
