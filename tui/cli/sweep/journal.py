"""The trials of a study in Optuna's journal on a folder that all workers share. With `choosing` all that knows Optuna.

Optuna is imported when a journal is opened: it comes with the extra `sweep`. Starts and reads no run.
"""

from __future__ import annotations

import contextlib
import os
import time
import warnings
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainctl.engine.errors import UserError, first_line
from trainctl.engine.files import parse_json
from trainctl.engine.runs.atomic import DamagedFileError, disk_errors
from trainctl.tui.cli.sweep.choosing import decoded, distributions_of, pruner_of, sampler_of
from trainctl.tui.cli.sweep.study import Study
from trainctl.tui.cli.sweep.verdict import Verdict
from trainctl.tui.run.trial import RunTrial, TrialState

if TYPE_CHECKING:
    from optuna import Study as OptunaStudy
    from optuna.trial import FrozenTrial

MOST_TAKEN = 3
"""Workers that may be lost over one trial."""
NUM_OPERATIONS = 11
"""That Optuna's journal knows, counted from 0."""
FEWEST_FOR_IMPORTANCE = 10
"""Complete trials from which on a parameter's importance says something."""
IsGone = Callable[[Mapping[str, Any] | None, str, float], bool]
"""Whether nobody works on a trial any more: its worker, the name of its run (empty: none yet), when it was made."""


@dataclass(frozen=True)
class Given:
    """A trial to work on."""

    number: int
    params: Mapping[str, Any]
    run: str = ""
    """Name of its run where another worker began it; empty: there is none."""
    taken: int = 0
    """How many workers were lost over it."""
    is_pruned: bool = False
    """Whether one of them had asked it to end."""

    @property
    def is_worn(self) -> bool:
        """Whether nobody should begin it once more."""
        return self.taken >= MOST_TAKEN


class Journal:
    """The study as all workers see it.

    Args:
        study: what is agreed on.
        worker: who asks, see `worker.this_worker`; none: only looks.

    Raises:
        UserError: the journal is damaged, or the disk refuses.
    """

    def __init__(self, study: Study, worker: Mapping[str, Any] | None = None) -> None:
        self._agreed, self._worker = study, dict(worker or {})
        import optuna
        from optuna.storages import JournalStorage
        from optuna.storages.journal import JournalFileBackend

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        path = str(study.journal)
        with self._sound():
            self._storage = JournalStorage(JournalFileBackend(path, lock_obj=_mending_lock(path)))
            if study.name not in (known.study_name for known in self._storage.get_all_studies()):
                direction = "maximize" if study.objective.direction == "max" else "minimize"
                optuna.create_study(
                    storage=self._storage, study_name=study.name, direction=direction, load_if_exists=True
                )
            self._study: OptunaStudy = optuna.load_study(
                storage=self._storage, study_name=study.name, pruner=pruner_of(study)
            )
            self._id = self._storage.get_study_id_from_name(study.name)

    def take(self, most: int, is_gone: IsGone) -> Given | None:
        """The next trial to work on: one whose worker is gone, else a new one; None where neither is left.

        Args:
            most: trials of the whole study.
            is_gone: whether a trial has been left.
        """
        with self._sound(), self._turn():
            trials = self._study.get_trials(deepcopy=False)
            for trial in trials:
                attributes, run = trial.user_attrs, str(trial.user_attrs.get("run", ""))
                if trial.state.name == "RUNNING" and is_gone(attributes.get("worker"), run, _began(trial)):
                    return self._take_over(trial, run)
            if len(trials) >= most:
                return None
            self._study.sampler = sampler_of(self._agreed, len(trials))
            asked = self._study.ask(distributions_of(self._agreed))
            self._note(asked.number, "worker", self._worker)
            return Given(asked.number, self._params(asked.params))

    def note_run(self, number: int, run: str) -> None:
        """Say which run a trial has, before it starts."""
        with self._sound():
            self._note(number, "run", run)

    def note_pruned(self, number: int) -> None:
        """Say that a trial is asked to end."""
        with self._sound():
            self._note(number, "pruned", True)

    def let_go(self, number: int) -> None:
        """Leave a trial for another worker."""
        with self._sound(), contextlib.suppress(LostTrialError):
            self._note(number, "worker", {})

    def report(self, number: int, epoch: int, value: float) -> bool:
        """Say what a trial has reached; whether it is better ended.

        Raises:
            LostTrialError: another worker has told how it ended.
        """
        with self._sound():
            trial_id = self._trial_id(number)
            with _lost(number):
                self._storage.set_trial_intermediate_value(trial_id, epoch, value)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return self._study.pruner.prune(self._study, self._storage.get_trial(trial_id))

    def tell(self, number: int, verdict: Verdict) -> None:
        """Say how a trial ended.

        Raises:
            LostTrialError: another worker has.
        """
        from optuna.samplers import RandomSampler
        from optuna.trial import TrialState as State

        states = {TrialState.COMPLETE: State.COMPLETE, TrialState.PRUNED: State.PRUNED, TrialState.FAILED: State.FAIL}
        value = verdict.value if verdict.state is TrialState.COMPLETE else None
        self._study.sampler = RandomSampler()  # a grid's would stop a loop of Optuna's, and there is none
        with self._sound():
            self._note(number, "reason", verdict.reason)
            self._note(number, "reached", [verdict.value, verdict.epoch])
            with _lost(number):
                self._study.tell(number, value, state=states[verdict.state])

    def trials(self) -> Sequence[tuple[str, RunTrial]]:
        """Every trial by its number, with the name of its run; empty: it has none."""
        with self._sound():
            return [self._told(trial) for trial in self._study.get_trials(deepcopy=False)]

    def left(self, is_gone: IsGone) -> Sequence[int]:
        """Numbers of the trials whose workers are gone."""
        with self._sound():
            return [
                trial.number
                for trial in self._study.get_trials(deepcopy=False)
                if trial.state.name == "RUNNING"
                and is_gone(trial.user_attrs.get("worker"), str(trial.user_attrs.get("run", "")), _began(trial))
            ]

    def importance(self) -> Mapping[str, float]:
        """Share of each parameter in what makes trials good, by Optuna's evaluator; empty: too few tell."""
        from optuna.importance import get_param_importances

        with self._sound():
            complete = [one for one in self._study.get_trials(deepcopy=False) if one.state.name == "COMPLETE"]
            if len(complete) < FEWEST_FOR_IMPORTANCE or len(self._agreed.space.parameters) < 2:
                return {}
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                try:
                    return get_param_importances(self._study)
                except (ValueError, RuntimeError):  # all trials are alike
                    return {}

    def _take_over(self, trial: FrozenTrial, run: str) -> Given:
        taken = int(trial.user_attrs.get("taken", 0)) + 1
        self._note(trial.number, "taken", taken)
        self._note(trial.number, "worker", self._worker)
        is_pruned = bool(trial.user_attrs.get("pruned"))
        return Given(trial.number, self._params(trial.params), run, taken, is_pruned)

    def _told(self, trial: FrozenTrial) -> tuple[str, RunTrial]:
        states = {"COMPLETE": TrialState.COMPLETE, "PRUNED": TrialState.PRUNED, "FAIL": TrialState.FAILED}
        attributes = trial.user_attrs
        value, epoch = attributes.get("reached") or (None, 0)
        objective = self._agreed.objective
        return str(attributes.get("run", "")), RunTrial(
            study=self._agreed.name,
            number=trial.number,
            params=self._params(trial.params),
            state=states.get(trial.state.name, TrialState.RUNNING),
            metric=objective.metric,
            direction=objective.direction,
            value=value,
            epoch=int(epoch),
            reason=str(attributes.get("reason", "")),
        )

    def _params(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Values of a trial, in the order of the space."""
        return {
            parameter.key: decoded(parameter, params[parameter.key])
            for parameter in self._agreed.space.parameters
            if parameter.key in params
        }

    def _note(self, number: int, name: str, value: Any) -> None:
        with _lost(number):
            self._storage.set_trial_user_attr(self._trial_id(number), name, value)

    def _trial_id(self, number: int) -> int:
        return self._storage.get_trial_id_from_study_id_trial_number(self._id, number)

    @contextlib.contextmanager
    def _turn(self) -> Generator[None]:
        """Within, no other worker takes a trial: two would count the same, or take over the same one."""
        from optuna.storages.journal import JournalFileOpenLock

        lock = JournalFileOpenLock(str(self._agreed.folder / "turn"))
        lock.acquire()
        try:
            yield
        finally:
            with contextlib.suppress(RuntimeError):  # somebody took us for dead
                lock.release()

    @contextlib.contextmanager
    def _sound(self) -> Generator[None]:
        """While the journal is read or written.

        Raises:
            DamagedFileError: it holds what no worker wrote.
            DiskError: the disk refuses.
        """
        path = self._agreed.journal
        with disk_errors(path):
            try:
                yield
            except (ValueError, KeyError, TypeError, AttributeError, AssertionError) as err:
                line = _damaged_line(path)
                raise DamagedFileError(
                    f"{path} is damaged: {f'line {line} is none of ours' if line else first_line(err)}",
                    "mend the line, or begin another study with --name; the runs of its trials are whole",
                ) from err


def refuse_without_optuna() -> None:
    """Refuse where the extra is not installed.

    Raises:
        UserError: it is not.
    """
    if find_spec("optuna") is None:
        raise UserError("trainctl sweep needs the extra `sweep`", "install it: pip install 'trainctl-cockpit[sweep]'")


class LostTrialError(Exception):
    """Another worker has told how the trial ended."""


@contextlib.contextmanager
def _lost(number: int) -> Generator[None]:
    """While something is said of a trial.

    Raises:
        LostTrialError: it is over.
    """
    from optuna.exceptions import UpdateFinishedTrialError

    try:
        yield
    except UpdateFinishedTrialError as err:
        raise LostTrialError(f"trial {number}") from err
    except ValueError as err:
        if "Cannot tell a" in str(err):
            raise LostTrialError(f"trial {number}") from err
        raise


def _mending_lock(path: str) -> Any:
    """The journal's lock, whose holder first takes away what a killed worker or a full disk left of a line: behind it
    every later line would be lost to everybody."""
    from optuna.storages.journal import JournalFileOpenLock

    class MendingLock(JournalFileOpenLock):
        def acquire(self) -> bool:
            is_ours = super().acquire()
            _end_torn_line(Path(path))
            return is_ours

    return MendingLock(path)


def _damaged_line(path: Path) -> int:
    """Number of the first line that no worker can have written; 0: each may be one, they do not fit together."""
    with contextlib.suppress(OSError), path.open("rb") as file:
        for number, line in enumerate(file, 1):
            try:
                told: Any = parse_json(line)
                is_ours = told["op_code"] in range(NUM_OPERATIONS) and isinstance(told["worker_id"], str)
            except (ValueError, KeyError, TypeError):
                is_ours = False
            if not is_ours:
                return number
    return 0


def _end_torn_line(path: Path) -> None:
    with contextlib.suppress(FileNotFoundError), path.open("r+b") as file:
        size = file.seek(0, os.SEEK_END)
        if not size:
            return
        file.seek(size - 1)
        if file.read(1) == b"\n":
            return
        file.seek(0)
        file.truncate(file.read().rfind(b"\n") + 1)


def _began(trial: FrozenTrial) -> float:
    return trial.datetime_start.timestamp() if trial.datetime_start else time.time()
