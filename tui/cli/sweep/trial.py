"""One trial of a study: starts its training or goes on with it, follows it, ends it where it is pruned, judges it.

Knows neither other trials nor how one is chosen.
"""

from __future__ import annotations

import math
import signal
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, replace

from trainctl.engine.errors import ExitCode, UserError
from trainctl.engine.runs.atomic import DiskError
from trainctl.engine.runs.commands import Verb, send_command
from trainctl.engine.runs.index import run_info
from trainctl.engine.runs.layout import RunPaths
from trainctl.engine.runs.states import RunState
from trainctl.engine.runs.status import Liveness, read_status
from trainctl.tui.cli.sweep.course import Course, NoMetricError
from trainctl.tui.cli.sweep.journal import Given, Journal, LostTrialError
from trainctl.tui.cli.sweep.progress import Progress
from trainctl.tui.cli.sweep.space import overrides_of
from trainctl.tui.cli.sweep.study import Study
from trainctl.tui.cli.sweep.verdict import Verdict, judged
from trainctl.tui.processes.launch import LaunchRequest, Process, go_on, launch
from trainctl.tui.processes.trainings import Outcome, UnderWay, outcome_of, run_all
from trainctl.tui.run.trial import RunTrial, TrialState, write_trial

FOLLOW_S = 0.5
"""Between two looks at what a run has written."""
SENDER = "sweep"
ALIVE = (Liveness.LIVE, Liveness.SILENT, Liveness.STARTING)


@dataclass
class Trial:
    """A trial that is being run, as something that `run_all` starts and tells.

    Attributes:
        run: its run; None: not made yet.
        error: why no trial of this study can be judged; None: nothing is wrong.
        is_lost: whether another worker has told how it ended.
    """

    study: Study
    given: Given
    request: LaunchRequest
    """The configuration that is varied, into the folder of runs."""
    journal: Journal
    progress: Progress
    run: RunPaths | None = None
    error: UserError | None = None
    is_lost: bool = False

    def __post_init__(self) -> None:
        self._is_pruned = self.given.is_pruned
        self._course: Course | None = None
        self._followed = 0.0
        self._num_asked = 0
        if self.given.run:
            self.run = RunPaths(self.request.runs_dir.resolve() / self.given.run)

    def work(self) -> tuple[Verdict | None, ExitCode]:
        """Have it trained; how it ended, None where it was left to another worker, and how the worker was ended."""
        code = ExitCode.OK
        self.progress.taken(self.given)
        if not self.given.taken or self._has_more():
            outcomes, code = run_all([self], 1, self)
            outcome = outcomes[0]
        else:
            outcome = self._left_behind()
        if self.error is None and (outcome is None or (code is ExitCode.TERMINATED and not outcome.is_finished)):
            return None, code
        try:
            verdict = judged(outcome or Outcome(self.run, False), self.study.objective, is_pruned=self._is_pruned)
        except NoMetricError as err:
            self.error = err
            return Verdict(TrialState.FAILED, reason=str(err)), code
        if code is ExitCode.INTERRUPTED and verdict.state is not TrialState.COMPLETE:
            verdict = replace(verdict, state=TrialState.FAILED, reason="interrupted")
        return verdict, code

    def close(self, verdict: Verdict) -> None:
        """Say in the run's folder, then to all, how it ended."""
        if self.run is not None:
            with suppress(DiskError):  # the journal decides; this is for who looks at the run
                write_trial(self.run, self._file(verdict))
        try:
            self.journal.tell(self.given.number, verdict)
        except LostTrialError:
            self.progress.say(f"trial {self.given.number}: another worker has told how it ended")
        else:
            self.progress.ended(self.given, verdict)

    # What `run_all` asks for: something to start, and somebody to tell.

    def start(self) -> tuple[RunPaths, Process | None]:
        """See `Training`."""
        if self.run is None:
            sets = (*self.request.overrides, *overrides_of(self.given.params))
            label = f"{self.study.name}-t{self.given.number:03d}"
            return launch(replace(self.request, overrides=sets, label=label), self._prepare)
        if run_info(self.run, time.time()).liveness in ALIVE:
            return self.run, None
        return self.run, go_on(self.run, self.request.environ, trust=self.request.trust)

    def started(self, one: UnderWay) -> None:
        """See `Watcher`."""
        self.run = one.run
        self._course = Course(one.run, self.study.objective)
        verb = "found running" if one.process is None else "resumed" if self.given.taken else "started"
        self.progress.began(self.given, one.run, verb)

    def ended(self, number: int, outcome: Outcome) -> None:
        """See `Watcher`."""
        self.progress.close()

    def looked(self, under_way: Iterable[UnderWay], asked: int) -> None:
        """See `Watcher`."""
        if asked > self._num_asked:
            self._num_asked = asked
            again = "; again: it ends at once" if asked == 1 else ""
            self.progress.say(f"ending: the training finishes its step and writes a checkpoint{again}")
        now = time.monotonic()
        for one in under_way:
            if now - self._followed >= FOLLOW_S:
                self._followed = now
                self._follow(one)

    def _prepare(self, run: RunPaths) -> None:
        write_trial(run, self._file(Verdict(TrialState.RUNNING)))
        self.journal.note_run(self.given.number, run.root.name)

    def _file(self, verdict: Verdict) -> RunTrial:
        objective = self.study.objective
        return RunTrial(
            study=self.study.name,
            number=self.given.number,
            params=self.given.params,
            state=verdict.state,
            metric=objective.metric,
            direction=objective.direction,
            value=verdict.value,
            epoch=verdict.epoch,
            reason=verdict.reason,
        )

    def _follow(self, one: UnderWay) -> None:
        """Read what the run has written, and end it where it is no good."""
        assert self._course is not None
        try:
            for reached in self._course.read_new():
                if math.isfinite(reached.value) and not self._is_pruned:
                    is_hopeless = self.journal.report(self.given.number, reached.epoch, reached.value)
                    if is_hopeless and not self._num_asked:
                        self.journal.note_pruned(self.given.number)
                        self._is_pruned = True
                        _end(one)
            status = read_status(one.run)
        except NoMetricError as err:
            if self.error is None:
                self.error = err
                _end(one)
        except LostTrialError:
            if not self.is_lost:
                self.is_lost = True
                _end(one)
        except UserError:
            pass  # a disk that is away for a moment; what it costs is a chance to prune
        else:
            self.progress.looked(status, self._course.last)

    def _has_more(self) -> bool:
        """Whether there is anything to wait for, or to go on with, of what another worker began."""
        if self.run is None:
            return False
        info = run_info(self.run, time.time())
        if info.liveness in ALIVE:
            return True
        is_unfinished = info.liveness is Liveness.CRASHED or info.state is RunState.PREEMPTED
        return is_unfinished and self.run.latest.is_file() and not self.given.is_worn and not self._is_pruned

    def _left_behind(self) -> Outcome:
        """How a run ended that nobody goes on with."""
        if self.run is None:
            return Outcome(None, False, "its worker was gone before the training began")
        if run_info(self.run, time.time()).liveness is not Liveness.CRASHED:
            return outcome_of(UnderWay(0, self.run, None))
        why = f"after {self.given.taken} workers" if self.given.is_worn else "before its first checkpoint"
        return Outcome(self.run, False, f"killed with its worker {why}")


def _end(one: UnderWay) -> None:
    """Ask a training to end: by its command file, and where nobody's commands are obeyed, as Ctrl-C does."""
    try:
        send_command(one.run, Verb.STOP, {}, SENDER)
    except UserError:
        if one.process is not None:
            with suppress(ProcessLookupError):
                one.process.send_signal(signal.SIGINT)
