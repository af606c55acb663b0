"""Gathers all evidence about a training that has not started: loads the data, draws batches, tries one of them.

Within a time budget, and without a trace. A probe that fails becomes a reason, never a traceback; a mistake in
the input (`UserError`) is passed on, as `run` would.
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Collection
from dataclasses import replace
from typing import Any

import torch

from trainctl.engine.data.batch import Splits
from trainctl.engine.data.placement import made_on
from trainctl.engine.diagnosis.catalogue import SECTIONS, Cost, all_rules
from trainctl.engine.diagnosis.facts.data import OverlapFacts, SamplerFacts
from trainctl.engine.diagnosis.facts.evidence import EnvironmentFacts, Evidence
from trainctl.engine.diagnosis.facts.gates import NO_GATES
from trainctl.engine.diagnosis.facts.mixture import NO_MIXTURE
from trainctl.engine.diagnosis.facts.network import NO_CONTRAST, BatchFacts
from trainctl.engine.diagnosis.facts.plan import plan_facts
from trainctl.engine.diagnosis.facts.schedule import ScheduleFacts
from trainctl.engine.diagnosis.facts.terms import NO_TERMS
from trainctl.engine.diagnosis.probes.attempt import measure_attempt
from trainctl.engine.diagnosis.probes.batch import measure_batch
from trainctl.engine.diagnosis.probes.bench import building_once
from trainctl.engine.diagnosis.probes.data import (
    measure_data,
    measure_labels,
    measure_names,
    measure_overlap,
    overlapping_names,
)
from trainctl.engine.diagnosis.probes.isolation import Deadline, undisturbed
from trainctl.engine.diagnosis.probes.reach import measure_reach
from trainctl.engine.diagnosis.probes.sampler import measure_sampler
from trainctl.engine.diagnosis.probes.samples.metric import measure_metric
from trainctl.engine.diagnosis.probes.samples.relation import measure_relation
from trainctl.engine.diagnosis.probes.schedule import measure_schedule
from trainctl.engine.diagnosis.probes.trial import measure_trial
from trainctl.engine.errors import UserError
from trainctl.engine.runs.term_kinds import kinds_of
from trainctl.engine.tasks.task import Task
from trainctl.engine.training.device import choose_device, describe_device

BUDGET_S = 30.0
NO_RECORDS = "nothing has been trained yet"
OF_THE_NETWORK = frozenset({"batch", "trial", "reach", "attempt", "relation", "metric"})
"""Parts that need it, or learn from the data."""

Tell = Callable[[Evidence, str], None]
"""Told the evidence so far, and the part on which work begins; the empty text: all is there."""


@building_once()
def gather(
    task: Task,
    *,
    sections: Collection[str] = SECTIONS,
    budget_s: float = BUDGET_S,
    tell: Tell | None = None,
) -> Evidence:
    """Evidence about `task`, as far as the rules of `sections` want it.

    Args:
        task: configured, with its data.
        sections: of the catalogue.
        budget_s: after which no further probe begins; how long the data take to load is theirs.
        tell: called before each part that is gathered, and at the end.

    Raises:
        UserError: the data, the network or the device cannot be used at all.
    """
    deadline = Deadline(budget_s)
    wanted = parts_of(sections)
    device = choose_device(task.config.runtime.device)
    probes = _Probes(deadline, tell, task, describe_device(device))
    probes.begin("training data")
    splits, media_missing = load_or_labels(task, device)
    deadline.restart()
    if "labels" in wanted:
        probes.ask("labels", lambda: measure_labels(splits))
    sampler = _ask_sampler(task, splits, probes, wanted)
    if media_missing:
        probes.leave_out("batch", media_missing)
        wanted -= {"batch"}
    if "data" in wanted:
        probes.ask("data", lambda: measure_names(splits, media_missing) if media_missing else measure_data(splits))
    if "overlap" in wanted:
        probes.ask("overlap", lambda: _overlap(splits, media_missing, deadline))
    if "batch" in wanted and "sampler" not in probes.failures:
        probes.ask("batch", lambda: measure_batch(task, splits, device, sampler), is_input=True)
    if "trial" in wanted and sampler is not None and not media_missing and "batch" not in probes.failures:
        probes.ask("trial", lambda: measure_trial(task, splits, device, deadline))
    _ask_attempt(task, splits, device, probes, is_wanted="attempt" in wanted and not media_missing)
    if "relation" in wanted and not media_missing:
        probes.ask("relation", lambda: measure_relation(task, splits))
    if "metric" in wanted and "batch" in probes.found:
        probes.ask("metric", lambda: measure_metric(task, splits, device))
    _ask_reach(task, splits, device, probes, is_wanted="reach" in wanted)
    probes.begin("")
    return probes.evidence()


def load_or_labels(task: Task, device: torch.device) -> tuple[Splits, str]:
    """The data; where its media are missing its labels alone, and what is missing.

    Args:
        task: loads them.
        device: where data that are made, not read, are made.

    Raises:
        UserError: the data cannot be used.
    """
    with undisturbed(task.config.seed), made_on(device):
        try:
            return task.load(), ""
        except UserError as err:
            labels = task.load_labels()
            if labels is None:
                raise
            return labels, labels.notes[0] if labels.notes else err.message


def _ask_sampler(task: Task, splits: Splits, probes: _Probes, wanted: Collection[str]) -> SamplerFacts | None:
    """The batches of an epoch, and what they make of the schedule."""
    if not {"sampler", "batch", "schedule"}.isdisjoint(wanted):
        probes.ask("sampler", lambda: measure_sampler(task, splits))
    sampler: SamplerFacts | None = probes.found.get("sampler")
    if "schedule" in wanted and sampler is not None:
        probes.ask("schedule", lambda: measure_schedule(task.config, sampler.batches_per_epoch or 1))
    return sampler


def _overlap(splits: Splits, media_missing: str, deadline: Deadline) -> OverlapFacts:
    return overlapping_names(splits, media_missing) if media_missing else measure_overlap(splits, deadline)


def _ask_attempt(task: Task, splits: Splits, device: torch.device, probes: _Probes, *, is_wanted: bool) -> None:
    """What the task's own code raises: the steps are in doubt where another probe failed at them."""
    is_in_doubt = any(part in probes.failures for part in ("sampler", "batch", "trial"))
    sampler: SamplerFacts | None = probes.found.get("sampler")
    has_other_last = sampler is not None and sampler.last_size not in (None, sampler.batch_size)
    how = {"is_step_in_doubt": is_in_doubt, "has_other_last": has_other_last}
    if is_wanted:
        probes.ask("attempt", lambda: measure_attempt(task, splits, device, probes.deadline, **how))


def _ask_reach(task: Task, splits: Splits, device: torch.device, probes: _Probes, *, is_wanted: bool) -> None:
    """How far the plan leads, where it could be drawn and first steps were made."""
    plan: ScheduleFacts | None = probes.found.get("schedule")
    if is_wanted and plan is not None and "trial" in probes.found:
        probes.ask("reach", lambda: measure_reach(task, splits, device, plan, probes.deadline))


def parts_of(sections: Collection[str]) -> set[str]:
    """Parts of the evidence that the rules of these sections need or welcome.

    A rule that costs a look at the data is glad of what the network shows where it is asked anyway, and not for it.
    """
    rules = [rule for rule in all_rules().values() if rule.section in sections]
    needed = {part for rule in rules for part in rule.needs}
    cheap = {part for rule in rules if rule.cost is Cost.DATA for part in rule.welcomes if part not in OF_THE_NETWORK}
    return needed | cheap | {part for rule in rules if rule.cost is not Cost.DATA for part in rule.welcomes}


class _Probes:
    """Asks one probe after the other while there is time, and keeps what each found, or why it found nothing."""

    def __init__(self, deadline: Deadline, tell: Tell | None, task: Task, device: str) -> None:
        self.deadline = deadline
        self.found: dict[str, Any] = {}
        self.failures: dict[str, str] = {}
        self._tell = tell
        self._plan = replace(plan_facts(task.config), useful_weights=task.useful_weights)
        self._kinds = set(task.kinds.values()) | set(kinds_of(tuple(task.config.loss_weights), {}).values())
        self._environment = EnvironmentFacts(platform.python_version(), torch.__version__, device)

    def begin(self, part: str) -> None:
        """Say what is worked on next."""
        if self._tell is not None:
            self._tell(self.evidence(), part)

    def ask(self, part: str, probe: Callable[[], object], *, is_input: bool = False) -> None:
        """Keep the probe's facts. With `is_input` its `UserError` is the user's to see, as in a run."""
        if self.deadline.has_passed:
            self.failures[part] = str(self.deadline)
            return
        self.begin(part)
        try:
            self.found[part] = probe()
        except UserError as err:
            if is_input:
                raise
            self.failures[part] = str(err)
        except Exception as err:  # the task's code is the user's: whatever it raises is the answer
            first = next(iter(str(err).splitlines()), "")
            self.failures[part] = f"the {part} probe failed: {type(err).__name__}: {first}"

    def leave_out(self, part: str, why: str) -> None:
        """Say why a part is not asked for."""
        self.failures[part] = why

    def _may_compare_pairs(self) -> bool:
        """Whether a temperature is that of a contrastive loss: its terms say so, or before any the task does."""
        batch: BatchFacts | None = self.found.get("batch")
        return "supcon" in self._kinds if batch is None else batch.contrast is not None

    def evidence(self) -> Evidence:
        """What is known so far."""
        batch: BatchFacts | None = self.found.get("batch")
        no_batch = self.failures.get("batch") or self.failures.get("sampler", "needs a batch through the network")
        return Evidence(
            **self.found,
            contrast=batch.contrast if batch else None,
            clusters=batch.clusters if batch else None,
            gates=batch.gates if batch else None,
            plan=self._plan if self._may_compare_pairs() else replace(self._plan, temperature=None),
            environment=self._environment,
            missing={
                "labels": "the task names no classes",
                "records": NO_RECORDS,
                "norms": NO_RECORDS,
                "ending": NO_RECORDS,
                "contrast": NO_CONTRAST if batch else no_batch,
                "clusters": NO_MIXTURE if batch else no_batch,
                "gates": NO_GATES if batch else no_batch,
                "terms": NO_TERMS,
                "scores": NO_RECORDS,
                "monitor": NO_RECORDS,
                "batch": self.failures.get("sampler", "not asked for"),
                "relation": "the media of the samples are missing",
                "metric": no_batch,
                "trial": no_batch,
                "reach": self.failures.get("trial", no_batch),
                "attempt": "the media of the samples are missing",
                "schedule": self.failures.get("sampler", "not asked for"),
                **self.failures,
            },
        )
