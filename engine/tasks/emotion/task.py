"""The `emotion` task: binds dialogues, network, loss terms and metrics of emotion recognition in conversation.

From the convergence document; knows nothing of the loop.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from trainctl.engine.data.batch import Batch, Split, Splits
from trainctl.engine.data.emotion.known import Known
from trainctl.engine.data.emotion.load import SUFFIXES, Unlabelled, load_emotion, read_unlabelled
from trainctl.engine.data.emotion.options import MODALITIES
from trainctl.engine.losses import utterances
from trainctl.engine.losses.gather import joined
from trainctl.engine.losses.reconstruction import constant_error, last_dialogue, reconstruction
from trainctl.engine.models.emotion.gates import Gated, shares
from trainctl.engine.models.emotion.net import Conversation, EmotionNet
from trainctl.engine.runs.term_kinds import TermKind
from trainctl.engine.tasks.classification import Answers
from trainctl.engine.tasks.emotion.config import EmotionConfig
from trainctl.engine.tasks.emotion.metrics import emotion_metrics, f1_scores
from trainctl.engine.tasks.task import Monitor, Row, StepOutput, Task


class EmotionTask(Task[EmotionConfig]):
    """The emotion of each utterance.

    A sample is a dialogue. Batches hold `text`, `audio`, `visual` (float32, (B, L, features)), `speakers` (int64,
    (B, L)) and `labels` (int64, (B, L), −1 where there is no utterance).
    """

    monitor: ClassVar[Monitor] = Monitor("weighted_f1", "max")
    kinds: ClassVar[Mapping[str, TermKind]] = {"encoder": "reconstruction"}
    useful_weights: ClassVar[Mapping[str, tuple[float, float]]] = {"encoder": (0.01, 0.1)}
    file_suffixes: ClassVar[frozenset[str]] = frozenset({".npz", *SUFFIXES})

    def __init__(self, config: EmotionConfig, data_path: Path | None = None) -> None:
        super().__init__(config, data_path)
        self._classes: tuple[str, ...] = ()
        self._known: Known | None = None

    def load(self) -> Splits:
        """Read or draw the dialogues; they must fit the network that there is."""
        splits = load_emotion(self.config.data, self.config.seed, self.data_path, self._known)
        self._classes, self._known = splits.classes, splits.known
        return splits

    def state(self) -> Mapping[str, object]:
        """What the network learnt of its data: the features of each modality, and who was which number."""
        return self._known.state() if self._known else {}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Take over what `state` gave."""
        self._known = Known.of_state(state)

    def build_model(self, splits: Splits) -> EmotionNet:
        """A fresh network for the widths of the data; torch's own initialisation."""
        self._classes = splits.classes
        widths = () if self._known is None else self._known.widths
        return EmotionNet(self.config.model, widths, len(splits.classes))

    def augment(self, batch: Batch, generator: torch.Generator) -> Batch:
        """Features and modalities hidden, as configured."""
        features, modality = self.config.augment.drop_features, self.config.augment.drop_modality
        batch = dict(batch)
        for name in MODALITIES if features or modality else ():
            x_BLD = batch[name]
            if features:
                kept_BLD = torch.empty_like(x_BLD).bernoulli_(1 - features, generator=generator)
                x_BLD = x_BLD * kept_BLD.div_(1 - features)
            if modality:
                x_BLD = x_BLD * x_BLD.new_empty(*x_BLD.shape[:2], 1).bernoulli_(1 - modality, generator=generator)
            batch[name] = x_BLD
        return batch

    def step(self, model: nn.Module, batch: Batch) -> StepOutput:
        """Terms `nll` or `focal`, `encoder`, `gate`: means over the utterances of the batch.

        Columns `truth` and `answer` ((B, L), −1 where there is no utterance) and `nll` (mean of a dialogue). Scalars
        `gate.closed.NAME` and `gate.open.NAME`: shares of a gate's values that are 0 and 1; `units` and `units.last`:
        utterances of the batch, and of its last dialogue.
        """
        labels_BL = batch["labels"]
        valid_BL = labels_BL >= 0
        features_BLD = torch.cat([batch[name] for name in MODALITIES], -1)
        out: Conversation = model(features_BLD, batch["speakers"], valid_BL)
        logits_NC, labels_N = out.logits.flatten(0, 1)[out.places], labels_BL.flatten()[out.places]
        nll_N, loss = utterances.nll(logits_NC, labels_N), self.config.loss
        is_focal = loss.classification == "focal"
        judged_N = utterances.focal_nll(logits_NC, labels_N, loss.gamma) if is_focal else nll_N
        terms = {
            loss.classification: judged_N.mean(),
            "encoder": self._encoder(out, valid_BL),
            "gate": self._gate(out),
        }
        of_dialogue_BL = torch.zeros(labels_BL.shape, device=labels_BL.device).masked_scatter(valid_BL, nll_N.detach())
        answer_BL = torch.where(valid_BL, out.logits.detach().argmax(-1), -1)
        columns = {"truth": labels_BL, "answer": answer_BL, "nll": of_dialogue_BL.sum(1) / valid_BL.sum(1)}
        units, whole_BL = valid_BL.sum(), joined(valid_BL)
        counts = {"units": whole_BL.sum(), "units.last": whole_BL[-1].sum()}
        scalars = {**counts, **_gate_shares(out.gates, valid_BL)}
        whole = frozenset(counts if loss.over == "batch" else (*counts, "encoder"))
        return StepOutput(terms, columns, scalars, units=units, whole=whole)

    def default_weights(self) -> Mapping[str, float]:
        """Those of the original configuration."""
        return {"encoder": 0.05, "gate": 0.0}

    def metrics(self, columns: Mapping[str, Tensor]) -> dict[str, float]:
        """Over all utterances: `weighted_f1`, `accuracy`, and `f1.NAME` of each emotion."""
        return emotion_metrics(*_flat(columns), self._classes)

    def constant_metrics(self, split: Split) -> Mapping[str, float]:
        """Of the most frequent emotion, answered always; `encoder`: of the same features, made again always."""
        labels_N, loss = split.tensors["labels"], self.config.loss
        is_there = labels_N >= 0
        features_ND = torch.cat([split.tensors[name][is_there] for name in MODALITIES], -1)
        labels_N = labels_N[is_there]
        most = int(torch.bincount(labels_N).argmax())
        scores, counts = f1_scores(labels_N, torch.full_like(labels_N, most), len(self._classes))
        share = float(counts[most] / counts.sum())
        metrics = {"accuracy": share, "weighted_f1": share * float(scores[most])}
        if loss.over == "batch":  # of both autoencoders
            metrics["encoder"] = 2 * constant_error(features_ND, loss.reconstruction)
        return metrics

    def answers(self, columns: Mapping[str, Tensor]) -> Answers:
        """Each utterance's emotion."""
        truth_N, answer_N = _flat(columns)
        return Answers(truth_N.cpu().numpy(), answer_N.cpu().numpy())

    def sample_losses(self, columns: Mapping[str, Tensor]) -> Tensor:
        """Mean negative log-likelihood of each dialogue."""
        return columns["nll"]

    def describe_samples(self, columns: Mapping[str, Tensor]) -> Sequence[tuple[str, str]]:
        """How many utterances a dialogue has, and how many are answered rightly."""
        valid, right = columns["truth"] >= 0, columns["truth"] == columns["answer"]
        counts = zip(valid.sum(1).tolist(), (valid & right).sum(1).tolist(), strict=True)
        return [(f"{there} utterances", f"{hits} right") for there, hits in counts]

    def read_file(self, path: Path) -> Unlabelled:
        """The dialogues of an .npz or of one of the field's pickles; labels are not needed.

        Raises:
            UserError: it cannot be read, lacks a modality, or has other features than the network was trained on.
        """
        assert self._known is not None, "the state of a checkpoint was loaded"
        return read_unlabelled(path, self.config.data, self._known, self._classes)

    def predict(self, model: nn.Module, batch: Batch) -> Mapping[str, Tensor]:
        """`emotion` (B, L), −1 where there is no utterance, and its `probability` (B, L)."""
        valid_BL = batch["labels"] >= 0
        out: Conversation = model(torch.cat([batch[name] for name in MODALITIES], -1), batch["speakers"], valid_BL)
        probability_BL, emotion_BL = out.logits.float().softmax(-1).max(-1)
        return {"emotion": torch.where(valid_BL, emotion_BL, -1), "probability": probability_BL}

    def rows(self, samples: Split, at: Tensor, results: Mapping[str, Tensor]) -> list[Row]:
        """A row for each utterance: `dialogue`, `index`, `speaker`, `emotion`, `probability`."""
        assert isinstance(samples, Unlabelled)
        found: list[Row] = []
        which: list[int] = at.tolist()
        answers = zip(which, results["emotion"].tolist(), results["probability"].tolist(), strict=True)
        for dialogue, emotion_L, probability_L in answers:
            name = samples.names[dialogue].removeprefix("dialogue ")  # the row says already what it is
            for index, speaker in enumerate(samples.speakers[dialogue]):
                where: Row = {"dialogue": name, "index": index, "speaker": speaker}
                found.append({**where, "emotion": self._classes[emotion_L[index]], "probability": probability_L[index]})
        return found

    def export_onnx(self, model: nn.Module, path: Path, *, overwrite: bool = False) -> Mapping[str, Any]:
        """Features, `speakers`, `valid` to `logits`, `probabilities`; see `trainctl.engine.tasks.emotion.export`."""
        from trainctl.engine.tasks.emotion.export import export_onnx

        assert self._known is not None, "the state of a checkpoint was loaded"
        return export_onnx(self.config, model, self._known, self._classes, path, overwrite=overwrite)

    def thumbnails(self, batch: Batch) -> Tensor | None:
        """There is nothing to see."""
        return None

    def _encoder(self, out: Conversation, valid_BL: Tensor) -> Tensor:
        """Sum of both autoencoders' errors."""
        loss = self.config.loss
        if loss.over == "last_dialogue":
            errors = (
                last_dialogue(again, out.features, valid_BL, loss.reconstruction) for again in out.reconstructions
            )
        else:
            errors = (reconstruction(again, out.features, loss.reconstruction) for again in out.reconstructions)
        first, second = errors
        return first + second

    def _gate(self, out: Conversation) -> Tensor:
        """Mean of (g − ½)² over all gates and utterances, or of the same of what they are made of."""
        of_raw = self.config.loss.regularise == "raw"
        distances = [((gate.raw if of_raw else gate.value) - 0.5).float().square() for gate in out.gates]
        return torch.stack([one_BLW.flatten(0, 1)[out.places].mean() for one_BLW in distances]).mean()


def _gate_shares(gates: Sequence[Gated], valid_BL: Tensor) -> dict[str, Tensor]:
    found: dict[str, Tensor] = {}
    with torch.no_grad():
        for gate in gates:
            closed, opened = shares(gate, valid_BL)
            found |= {f"gate.closed.{gate.name}": closed, f"gate.open.{gate.name}": opened}
    return found


def _flat(columns: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
    """Truth and answer of all utterances, shape (N,) each."""
    valid = columns["truth"] >= 0
    return columns["truth"][valid], columns["answer"][valid]
