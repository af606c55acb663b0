"""Gathers all evidence about a training that has not started: loads the data, draws batches, tries one of them.

Within a time budget, and without a trace. A probe that fails becomes a reason, never a traceback; a mistake in
the input (`UserError`) is passed on, as `run` would.
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Collection
from typing import TypeVar

import torch

from trainctl.engine.diagnosis.catalog import SECTIONS, all_rules
from trainctl.engine.diagnosis.evidence import EnvironmentFacts, Evidence
from trainctl.engine.diagnosis.plan import plan_facts
from trainctl.engine.diagnosis.probes.batch import measure_batch
from trainctl.engine.diagnosis.probes.data import measure_data, measure_labels
from trainctl.engine.diagnosis.probes.isolation import Deadline, undisturbed
from trainctl.engine.diagnosis.probes.sampler import measure_sampler
from trainctl.engine.errors import UserError
from trainctl.engine.tasks.task import Task
from trainctl.engine.training.device import choose_device, describe_device

BUDGET_S = 30.0
NO_RECORDS = "nothing has been trained yet"

T = TypeVar("T")


def gather(task: Task, *, sections: Collection[str] = SECTIONS, budget_s: float = BUDGET_S) -> Evidence:
    """Evidence about `task`, as far as the rules of `sections` want it.

    Raises:
        UserError: the data, the network or the device cannot be used at all.
    """
    deadline = Deadline(budget_s)
    wanted = parts_of(sections)
    device = choose_device(task.config.runtime.device)
    with undisturbed(task.config.seed):
        splits = task.load()
    probes = _Probes(deadline)
    labels = probes.ask("labels", lambda: measure_labels(splits)) if "labels" in wanted else None
    needs_sampler = not wanted.isdisjoint({"sampler", "batch"})
    sampler = probes.ask("sampler", lambda: measure_sampler(task, splits)) if needs_sampler else None
    data = probes.ask("data", lambda: measure_data(splits, deadline)) if "data" in wanted else None
    batch = None
    if "batch" in wanted and "sampler" not in probes.failures:
        batch = probes.ask("batch", lambda: measure_batch(task, splits, device, sampler), is_input=True)
    return Evidence(
        data=data,
        labels=labels,
        sampler=sampler,
        plan=plan_facts(task.config),
        batch=batch,
        environment=EnvironmentFacts(platform.python_version(), torch.__version__, describe_device(device)),
        missing={
            "labels": "the task names no classes",
            "records": NO_RECORDS,
            "batch": probes.failures.get("sampler", "not asked for"),
            **probes.failures,
        },
    )


def parts_of(sections: Collection[str]) -> set[str]:
    """Parts of the evidence that the rules of these sections need or welcome."""
    rules = [rule for rule in all_rules().values() if rule.section in sections]
    return {part for rule in rules for part in (*rule.needs, *rule.welcomes)}


class _Probes:
    """Asks one probe after the other while there is time, and keeps why one gave nothing."""

    def __init__(self, deadline: Deadline) -> None:
        self.deadline = deadline
        self.failures: dict[str, str] = {}

    def ask(self, part: str, probe: Callable[[], T], *, is_input: bool = False) -> T | None:
        """The probe's facts, or None. With `is_input` its `UserError` is the user's to see, as in a run."""
        if self.deadline.has_passed:
            self.failures[part] = str(self.deadline)
            return None
        try:
            return probe()
        except UserError as err:
            if is_input:
                raise
            self.failures[part] = str(err)
        except Exception as err:  # the task's code is the user's: whatever it raises is the answer
            first = next(iter(str(err).splitlines()), "")
            self.failures[part] = f"the {part} probe failed: {type(err).__name__}: {first}"
        return None
