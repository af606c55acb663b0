"""A training step and a step of a validation, with everything that looks on while they are made. Judges nothing."""

from __future__ import annotations

import torch

from trainctl.engine.data.batch import Batch
from trainctl.engine.diagnosis.facts.watched.layers import LayersFacts
from trainctl.engine.diagnosis.probes.bench import Bench
from trainctl.engine.diagnosis.probes.isolation import undisturbed
from trainctl.engine.diagnosis.probes.watching.entries import Entries, with_freedom
from trainctl.engine.diagnosis.probes.watching.links import Links
from trainctl.engine.diagnosis.probes.watching.loss_calls import LossCalls
from trainctl.engine.diagnosis.probes.watching.modes import Modes
from trainctl.engine.diagnosis.probes.watching.passage import with_passage
from trainctl.engine.diagnosis.probes.watching.rectifiers import Rectifiers
from trainctl.engine.diagnosis.probes.watching.results import size_of
from trainctl.engine.diagnosis.probes.watching.watch import Watch
from trainctl.engine.tasks.task import StepOutput

MOST_IN_EVALUATION = 16
"""Samples of the step of a validation: only the modes are asked for."""


class Observed:
    """What looked on while a training step was made.

    Args:
        bench: its network is in training mode.
        batch: that the step is made of.
    """

    def __init__(self, bench: Bench, batch: Batch) -> None:
        self._bench, self._batch = bench, batch
        self.entries, self.rectifiers, self.modes = Entries(bench.model), Rectifiers(), Modes()
        self.losses, self.links = LossCalls(size_of(batch)), Links(bench.model)
        self._stays_in_evaluation = False

    def training_step(self) -> StepOutput:
        """Make the step. The network is in training mode behind it, whatever the step did."""
        looks = [self.entries.looks, self.rectifiers.looks, self.modes.looks, self.losses.looks, self.links.looks]
        model = self._bench.model
        was_training = model.training
        with Watch(model, looks):
            output = self._bench.step(self._batch)
        self._stays_in_evaluation = was_training and not model.training
        model.train()
        return output

    def layers(self) -> LayersFacts:
        """Facts about the layers; makes a step of a validation, a few more where an input is odd or a layer narrow."""
        self._evaluate()
        return LayersFacts(
            entries=with_freedom(self.entries, self._bench, self._batch),
            rectifiers=self.rectifiers.facts(),
            modes=self.modes.facts(),
            stays_in_evaluation=self._stays_in_evaluation,
            links=with_passage(self.links, self._bench, self._batch),
        )

    def _evaluate(self) -> None:
        """Make a step as a validation does."""
        model, self.modes.is_evaluating = self._bench.model, True
        batch = {name: tensor[:MOST_IN_EVALUATION] for name, tensor in self._batch.items()}
        model.eval()
        try:
            with undisturbed(self._bench.task.config.seed), torch.no_grad(), Watch(model, [self.modes.looks]):
                self._bench.step(batch)
        except Exception:  # the task's code is the user's; what a validation comes to is another probe's business
            pass
        finally:
            model.train()
