"""A task that learns a vocabulary from its data, with and without keeping it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from trainctl.engine.tasks.task import Batch, Split, Splits, StepOutput, Task

LENGTH = 4


class Forgetful(Task):
    """Words of a file, labelled by their first one; builds its network from what it read."""

    words: Sequence[str] = ()

    def load(self) -> Splits:
        """A text a line."""
        texts = [line.split() for line in self.require_data().read_text().splitlines()]
        self.words = self.words or sorted({word for text in texts for word in text})
        rows = self._encoded(texts)
        labels = torch.tensor([text[0] == "good" for text in texts]).long()
        half = len(texts) // 2
        first, second = (Split({"x": rows[part], "y": labels[part]}) for part in (slice(half), slice(half, None)))
        return Splits(first, second)

    def build_model(self, splits: Splits) -> nn.Module:
        """A weight for each word."""
        return nn.EmbeddingBag({"all": len(self.words)}["all"] or {}["words"], 2)

    def step(self, model: nn.Module, batch: Batch) -> StepOutput:
        """Cross-entropy."""
        return StepOutput({"ce": nn.functional.cross_entropy(model(batch["x"]), batch["y"])})

    def read_files(self, paths: Sequence[Path]) -> Batch:
        """A text a file."""
        return {"x": self._encoded([path.read_text().split() for path in paths])}

    def predict(self, model: nn.Module, batch: Batch) -> Mapping[str, Tensor]:
        """How good it is."""
        return {"good": model(batch["x"]).softmax(1)[:, 1]}

    def _encoded(self, texts: Sequence[Sequence[str]]) -> Tensor:
        number = {word: k for k, word in enumerate(self.words)}
        return torch.tensor([[number.get(word, 0) for word in text[:LENGTH]] for text in texts])


class Keeping(Forgetful):
    """The same, and keeps its vocabulary."""

    def state(self) -> dict[str, Any]:
        """The words."""
        return {"words": list(self.words)}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """The words."""
        self.words = tuple(state.get("words", ()))
