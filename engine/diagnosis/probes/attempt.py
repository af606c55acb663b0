"""Tries what a training does first, steps and a validation, for the errors that the task's code may raise.

The steps only where another probe failed at one, or where the last batch is of another size. Of the validation as much
as a second or two allow: all of it as the loop has it, else a random part, whose answers stand for the rest. Judges
nothing.
"""

from __future__ import annotations

import sysconfig
import time
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from inspect import getsourcefile
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from trainctl.engine.data.batch import Batch, Split, Splits
from trainctl.engine.diagnosis.facts.attempt import AttemptFacts, ColumnFacts, Failure, Stage
from trainctl.engine.diagnosis.probes.bench import MAX_SAMPLES, Bench, open_bench
from trainctl.engine.diagnosis.probes.isolation import Deadline, undisturbed
from trainctl.engine.diagnosis.probes.watching.notices import quiet
from trainctl.engine.errors import UserError, first_line
from trainctl.engine.tasks.task import StepOutput, Task
from trainctl.engine.training.loop.precision import Precision
from trainctl.engine.training.loop.referee import monitor_of
from trainctl.engine.training.loop.validation import figures_of
from trainctl.engine.training.loop.worst import worst_samples

BUDGET_S = 0.5
"""Seconds that the answers of a validation may take, and as many what is computed from them."""
STEPS = 3
"""Steps that are tried where one is in doubt."""
FEW, MORE = 8, 32
"""Samples of the first validation batch, which says how long one takes; and of the second, which stand for the split
where all of it takes too long."""
ENOUGH = 512
"""Answers that say how long it takes to compute something of all."""
MOST_ROWS, MOST_VALUES = 20_000, 1 << 25
"""Of a split and its columns, up to which the answers of a part of it are repeated to stand for all."""
OURS = Path(__file__).parents[2]
INSTALLED = tuple(Path(sysconfig.get_path(name)) for name in ("stdlib", "platstdlib", "purelib", "platlib"))
"""Whose frames are no part of a task."""
IN_CODE = frozenset({"AttributeError", "ImportError", "KeyError", "ModuleNotFoundError", "NameError", "TypeError",
                     "UnboundLocalError"})  # fmt: skip
"""Errors of the code itself, which no other samples would spare."""
Columns = Mapping[str, Tensor]


def measure_attempt(
    task: Task,
    splits: Splits,
    device: torch.device,
    deadline: Deadline,
    *,
    is_step_in_doubt: bool,
    has_other_last: bool = False,
) -> AttemptFacts:
    """What goes wrong in the first steps and in a validation.

    Args:
        task: gives batches, network, loss and metrics.
        splits: its data.
        device: where to compute.
        deadline: after which no further batch is tried.
        is_step_in_doubt: another probe failed at one, so that a few are worth trying by themselves.
        has_other_last: the last batch of an epoch has another size than the others.

    Raises:
        UserError: the network cannot be built as configured.
    """
    names = _names_of(splits.train)
    with undisturbed(task.config.seed), quiet():
        try:
            bench = open_bench(task, splits, device)
        except UserError:
            raise
        except Exception as err:  # the task's code is the user's: whatever it raises is the answer
            return AttemptFacts(training=failure_of(err, task), stage=Stage.NETWORK, names=names)
        steps = Steps(bench)
        training = steps.failure(is_in_doubt=is_step_in_doubt, has_other_last=has_other_last)
        if training is not None:
            return AttemptFacts(training=training, stage=steps.stage, batch_size=steps.batch_size, names=names)
        with torch.no_grad():
            return Examined(bench, deadline).facts()


def _names_of(split: Split) -> tuple[str, ...]:
    return tuple(split.tensors) or tuple(split.fields)


class Steps:
    """The first steps of a training, without an optimiser.

    Args:
        bench: whose network is stepped.
    """

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._autocast = Precision(bench.task.config.precision, bench.device).autocast
        self.stage = Stage.BATCHES
        """What was tried last."""
        self.batch_size = 0
        """With how many samples."""

    def failure(self, *, is_in_doubt: bool, has_other_last: bool) -> Failure | None:
        """What the steps raise, as the loop has them: none of a batch's samples left out."""
        if not is_in_doubt and not has_other_last:
            return None
        bench = self._bench
        try:
            order = bench.task.sampler(bench.splits.train).batches(0)
            for number in range(min(STEPS, len(order)) if is_in_doubt else 0):
                loss = bench.loss_of(self._forward(order[number], Stage.LATER if number else Stage.FIRST))
                if loss.requires_grad:
                    loss.backward()
                _touch(bench.model)
            if has_other_last and len(order):
                self._forward(order[-1], Stage.LAST)
        except Exception as err:  # the task's code is the user's: whatever it raises is the answer
            return failure_of(err, bench.task)
        return None

    def _forward(self, rows: Tensor, stage: Stage) -> StepOutput:
        self.stage, self.batch_size = stage, len(rows)
        task, device = self._bench.task, self._bench.device
        stored = {name: tensor.to(device) for name, tensor in self._bench.splits.train.at(rows).items()}
        generator = torch.Generator(device).manual_seed(task.config.seed)
        with self._autocast():
            return self._bench.step(task.augment(task.prepare(stored), generator))


def _touch(model: nn.Module) -> None:
    """Write every parameter in place, as an optimiser does: a graph that is kept from the step before is then of use no
    more."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0)
    model.zero_grad(set_to_none=True)


@dataclass
class _Answers:
    """Per-sample results of some rows."""

    columns: dict[str, list[Tensor]] = field(default_factory=dict[str, "list[Tensor]"])
    num_samples: int = 0

    def add(self, columns: Columns, num_samples: int) -> None:
        for name, column in columns.items():
            self.columns.setdefault(name, []).append(column.detach())
        self.num_samples += num_samples

    def columns_of(self, count: int) -> dict[str, Tensor]:
        """The columns, repeated or cut to the results of so many samples."""
        columns = {name: torch.cat(parts) for name, parts in self.columns.items()}
        if count == self.num_samples:
            return columns
        rows = torch.arange(count) % self.num_samples
        return {name: column[rows.to(column.device)] for name, column in columns.items()}

    def may_stand_for(self, count: int) -> bool:
        """Whether these, one a sample, may be repeated to as many."""
        if not self.num_samples or count > MOST_ROWS:
            return False
        known = [parts for parts in self.columns.values() if all(part.dim() for part in parts)]
        values = sum(part.numel() for parts in known for part in parts) * count / self.num_samples
        return all(sum(map(len, parts)) == self.num_samples for parts in known) and values <= MOST_VALUES


class Examined:
    """A validation of the untrained network.

    Args:
        bench: whose network is asked.
        deadline: after which nothing further is.
    """

    def __init__(self, bench: Bench, deadline: Deadline) -> None:
        self._bench, self._deadline, self._own = bench, deadline, Deadline(BUDGET_S)
        self._autocast = Precision(bench.task.config.precision, bench.device).autocast
        self._val = bench.splits.val
        config = bench.task.config
        monitor = monitor_of(bench.task, config)
        named = bench.splits.metric_of
        asked = [("train.monitor", named(monitor.metric))]
        if config.schedule.name == "plateau":
            asked.append(("schedule.metric", named(config.schedule.metric)))
        self._size = min(config.train.validation_batch_size, MAX_SAMPLES)
        self._per_sample_s = 0.0
        self._terms: tuple[str, ...] = ()
        self._told = AttemptFacts(
            monitor=named(monitor.metric),
            mode=monitor.mode,
            asked_for=tuple(asked),
            names=_names_of(bench.splits.train),
        )

    def facts(self) -> AttemptFacts:
        """What goes wrong, and what there is."""
        if not self._val.tensors and self._val.dataset is None:
            return self._told
        count = len(self._val)
        size = self._bench.task.config.train.validation_batch_size
        self._told = replace(self._told, num_val=count, is_uneven=count > size and count % size > 0)
        if not count:
            return self._told
        self._bench.model.eval()
        some = _Answers()
        try:
            self._answer_some(some, count)
        except Exception as err:
            return self._without_loop_sizes(err, count)
        answers, is_whole = some, False
        if self._fits(count):
            answers = _Answers()
            try:
                is_whole = self._answer_all(answers, count)
            except Exception as err:
                return self._failed(err, answers.num_samples)
        return self._computed(some, answers, is_whole=is_whole)

    def _answer_some(self, some: _Answers, count: int) -> None:
        """A few samples, then a batch of some more if they take long, from anywhere in the split."""
        order = torch.randperm(count, generator=torch.Generator().manual_seed(self._bench.task.config.seed))
        self._answer(some, order[:FEW])
        room = self._left_s / max(self._per_sample_s, 1e-9)
        rest = order[FEW : FEW + int(min(self._size, MORE, room))]
        if len(rest) and not self._fits(count):  # the first batch of all takes longer than those behind it
            self._answer(some, rest)

    def _answer_all(self, answers: _Answers, count: int) -> bool:
        """The whole split in the loop's own batches; whether there was time for it."""
        for rows in torch.arange(count).split(self._size):
            if answers.num_samples and not self._left_s:
                return False
            self._answer(answers, rows)
        return True

    def _answer(self, answers: _Answers, rows: Tensor) -> None:
        started = time.perf_counter()
        output = self._step(rows)
        answers.add(output.columns, len(rows))
        self._per_sample_s = (time.perf_counter() - started) / len(rows)

    def _step(self, rows: Tensor) -> StepOutput:
        batch: Batch = self._bench.fetch(rows, self._val)
        with self._autocast():
            output = self._bench.step(batch)
        if not self._told.num_rows:
            found = [ColumnFacts(n, len(c) if c.dim() else 0, not c.dim()) for n, c in output.columns.items()]
            self._told = replace(self._told, columns=tuple(found), num_rows=len(rows))
            self._terms = tuple(output.terms)
        return output

    @property
    def _left_s(self) -> float:
        return 0.0 if self._deadline.has_passed else max(self._own.budget_s - self._own.spent_s, 0.0)

    def _fits(self, count: int) -> bool:
        return self._per_sample_s * count <= self._left_s

    def _without_loop_sizes(self, err: Exception, count: int) -> AttemptFacts:
        """A batch that no loop makes has failed: that of the loop may not."""
        try:
            self._step(torch.arange(min(self._size, count)))
        except Exception as same:
            return self._failed(same, 0)
        return replace(self._failed(err, 0), is_doubtful=True)

    def _computed(self, some: _Answers, answers: _Answers, *, is_whole: bool) -> AttemptFacts:
        """What the task computes from the answers: of a few first, then of as many as the split has."""
        count = len(self._val)
        measured, failure = self._measured(some)
        is_like_all = is_whole or answers.may_stand_for(count)
        if is_like_all and (failure is not None or self._is_quick(answers, count)):
            measured, failure = self._measured(answers, count)
        else:
            is_like_all = False
        self._told = replace(self._told, num_answered=answers.num_samples)
        if failure is None:
            names = ("loss", *(self._terms if len(self._terms) > 1 else ()), *measured)
            return replace(self._told, metrics=tuple(dict.fromkeys(names)))
        is_sure = (is_whole and is_like_all) or failure.kind in IN_CODE
        return replace(self._told, validation=failure, is_doubtful=not is_sure)

    def _is_quick(self, answers: _Answers, count: int) -> bool:
        """Whether what is computed of all takes no longer than the answers may, if its time grows with the square."""
        if count <= ENOUGH or not answers.may_stand_for(count):
            return True
        started = time.perf_counter()
        self._measured(answers, ENOUGH)
        return (time.perf_counter() - started) * (count / ENOUGH) ** 2 <= BUDGET_S

    def _measured(self, answers: _Answers, count: int | None = None) -> tuple[tuple[str, ...], Failure | None]:
        """Names of the metrics of as many answers; of the whole split the worst samples are looked for too."""
        task = self._bench.task
        try:
            columns = answers.columns_of(count or answers.num_samples)
            if count == len(self._val):
                losses = task.sample_losses(columns)
                self._told = replace(self._told, keeps_worst=losses is not None and len(losses) == count)
                worst_samples(task, self._val, columns, step=0, epoch=0)
            return tuple(figures_of(task.metrics(columns))), None
        except Exception as err:
            return (), failure_of(err, task)

    def _failed(self, err: Exception, num_answered: int) -> AttemptFacts:
        """A lack of memory is no fault of the code: the attempt has networks of other probes beside it."""
        found, is_memory = failure_of(err, self._bench.task), isinstance(err, torch.OutOfMemoryError)
        return replace(self._told, validation=found, is_doubtful=is_memory, num_answered=num_answered)


def failure_of(err: Exception, task: Task) -> Failure:
    """An error with the place in the task's own code that led to it."""
    frames, home = traceback.extract_tb(err.__traceback__), _folder_of(type(task))
    own = [frame for frame in frames if not _is_foreign(Path(frame.filename))]
    installed = [frame for frame in frames if home is not None and Path(frame.filename).is_relative_to(home)]
    frame = next(reversed(own or installed), None)
    place = f"{_shown(Path(frame.filename))}:{frame.lineno} ({frame.name})" if frame else ""
    return Failure(type(err).__name__, first_line(err), place, (frame.line or "").strip() if frame else "")


def _folder_of(kind: type[Any]) -> Path | None:
    """Of a task that is installed as a package, say."""
    try:
        found = getsourcefile(kind)
    except (TypeError, OSError):  # made in a session, from no file
        return None
    return None if found is None or Path(found).is_relative_to(OURS) else Path(found).resolve().parent


def _is_foreign(path: Path) -> bool:
    """Whether it is neither the user's nor a built-in task's."""
    is_ours = path.is_relative_to(OURS) and not path.is_relative_to(OURS / "tasks")
    return is_ours or not path.is_absolute() or any(path.is_relative_to(root) for root in INSTALLED)


def _shown(path: Path) -> str:
    """A path as short as it can be said."""
    try:
        return str(path.relative_to(Path.cwd()))
    except (ValueError, OSError):
        return path.name
