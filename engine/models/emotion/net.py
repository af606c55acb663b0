"""Dialogues to the emotion of each utterance (the convergence document; the network it writes of).

Knows options and widths; nothing of data, losses or training. What is padding never changes what is not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from trainctl.engine.models.emotion.autoencoders import GlobalAutoencoder, ModalityAutoencoder
from trainctl.engine.models.emotion.context import GatedMemory, WindowedLayer, window_mask
from trainctl.engine.models.emotion.gates import Gate, Gated

if TYPE_CHECKING:
    from trainctl.engine.models.emotion.options import EmotionModel

MOST_SPEAKERS = 16
"""Speakers of a dialogue that are told apart; those beyond share the last place."""


@dataclass(frozen=True)
class Conversation:
    """What the network makes of a batch of dialogues."""

    logits: Tensor
    """(B, L, C)."""
    places: Tensor
    """Of the utterances that are there in the flattened batch, (N,). Looked up once: on a GPU that is waited for."""
    features: Tensor
    """Of these utterances, (N, Σd)."""
    reconstructions: tuple[Tensor, Tensor]
    """What both autoencoders make of them."""
    gates: list[Gated]
    """`utterance`, `forget`, `input`, `temporal`; (B, L, code) each."""


class EmotionNet(nn.Module):
    """Two codes of each utterance, mixed by a gate; the dialogue around it; a classifier.

    Args:
        options: of the network.
        dims: features of text, audio and visual.
        num_classes: emotions.
    """

    def __init__(self, options: EmotionModel, dims: Sequence[int], num_classes: int) -> None:
        super().__init__()
        width = options.code
        self.window = options.window
        self.everything = GlobalAutoencoder(sum(dims), options.hidden, width)
        self.modalities = ModalityAutoencoder(dims, options.hidden, width)
        self.utterance = Gate("utterance", 2 * width, width, options.gate)
        self.speakers = nn.Embedding(MOST_SPEAKERS, width)
        self.context = nn.ModuleList(WindowedLayer(width, options.dropout) for _ in range(options.layers))
        self.memory = GatedMemory(width, options.gate)
        self.temporal = Gate("temporal", 2 * width, width, options.gate)
        self.norm = nn.LayerNorm(width)
        self.drop = nn.Dropout(options.dropout)
        self.classifier = nn.Linear(width, num_classes)

    def forward(self, features_BLD: Tensor, speakers_BL: Tensor, valid_BL: Tensor) -> Conversation:
        """Features (B, L, Σd) of each utterance, its speaker (int64, (B, L)), and which are there (bool, (B, L))."""
        # Most of the work is in the autoencoders, which see each utterance alone: half of a batch may be padding.
        places_N = valid_BL.flatten().nonzero()[:, 0]
        features_ND = features_BLD.flatten(0, 1)[places_N]
        whole_NW, again_whole = self.everything(features_ND)
        parts_NW, again_parts = self.modalities(features_ND)
        whole_BLW, parts_BLW = (_in_place(code, places_N, valid_BL) for code in (whole_NW, parts_NW))
        logits_BLC, gates = self.answer(whole_BLW, parts_BLW, speakers_BL, valid_BL)
        return Conversation(logits_BLC, places_N, features_ND, (again_whole, again_parts), gates)

    def answer(
        self, whole_BLW: Tensor, parts_BLW: Tensor, speakers_BL: Tensor, valid_BL: Tensor
    ) -> tuple[Tensor, list[Gated]]:
        """Logits (B, L, C) and gates, from both codes of each utterance; these are 0 where there is none."""
        choice = self.utterance(torch.cat([whole_BLW, parts_BLW], -1))
        code_BLW = torch.lerp(parts_BLW, whole_BLW, choice.value)
        spoken_BLW = code_BLW + self.speakers(speakers_BL.clamp(0, MOST_SPEAKERS - 1))
        around_BLW, mask_BLL = spoken_BLW, window_mask(valid_BL, self.window)
        for layer in self.context:
            around_BLW = layer(around_BLW, mask_BLL)
        memory_BLW, gates = self.memory(code_BLW)
        balance = self.temporal(torch.cat([around_BLW, memory_BLW], -1))
        mixed_BLW = self.norm(torch.lerp(memory_BLW, around_BLW, balance.value))
        return self.classifier(self.drop(mixed_BLW)), [choice, *gates, balance]


def _in_place(code_NW: Tensor, places_N: Tensor, valid_BL: Tensor) -> Tensor:
    """Rows of the utterances that are there at their places of the batch, (B, L, W); 0 for padding."""
    empty = code_NW.new_zeros(valid_BL.numel(), code_NW.shape[-1])
    return empty.index_put((places_N,), code_NW).unflatten(0, valid_BL.shape)
