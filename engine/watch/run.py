"""The run directory of a watched loop, from its opening to its last words.

Knows desk, recorder and events, no hooks. Nothing that goes wrong here may end the training that is watched: it is
said once, on stderr, and the run is written no more.
"""

from __future__ import annotations

import contextlib
import math
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from trainctl.engine.config.yamlfile import dump
from trainctl.engine.errors import ExitCode, UserError, kind_and_words
from trainctl.engine.runs.events import EventKind
from trainctl.engine.runs.index import create_run
from trainctl.engine.runs.layout import RunPaths
from trainctl.engine.runs.lock import RunLock
from trainctl.engine.runs.record import Records
from trainctl.engine.runs.states import RunState
from trainctl.engine.runs.summary import Best, Judgement, Summary
from trainctl.engine.training.desk.control import POLL_S, Signals
from trainctl.engine.training.desk.desk import Desk, desk_of
from trainctl.engine.training.desk.meter import LOOK_S
from trainctl.engine.training.desk.pulse import BEAT_S
from trainctl.engine.training.desk.run_writer import LAST_S, Ending, RunWriter
from trainctl.engine.training.device import card_ids, describe_device
from trainctl.engine.training.loop.distributions import histograms_of, taken
from trainctl.engine.training.loop.epoch_sums import EpochSums
from trainctl.engine.training.record.assemble import RowPlan
from trainctl.engine.training.record.recorder import Recorder

SMALLER_IS_BETTER = ("loss", "err", "mae", "mse", "rmse", "ppl", "perplexity", "wer", "cer", "fid", "nll", "bpc")
"""Parts of the names of metrics of which less is more."""


class WatchedRun:
    """Writes one run.

    Args:
        root: the folder of runs.
        name: of the run.
        monitor: metric that says which validation is the best; empty: the first that is given.
        made: directory that was made for this run; used where nothing is in it yet.

    Raises:
        UserError: the disk refuses.
    """

    def __init__(self, root: Path, name: str, monitor: str, made: Path | None = None) -> None:
        self.name, self._monitor = name, monitor
        self.paths, self.lock = _opened(root, name, made)
        self.writer = RunWriter(self.paths)
        self._began = time.monotonic()
        self.desk: Desk = desk_of(self.writer, name, "", Signals())
        self._recorder: Recorder | None = None
        self._epochs = EpochSums()
        self._epoch_began, self._num_epochs = time.monotonic(), 0
        self._samples = self._samples_before = 0
        self._metrics: dict[str, float] = {}
        self._best: Best | None = None
        self._best_step = 0
        self._is_over = False
        self._watched: dict[str, Any] = {}
        """What `meta.json` says of the loop."""
        self.desk.pulse.beat()
        self.writer.clerk.every(POLL_S, self.desk.inbox.poll)
        self.writer.clerk.every(BEAT_S, self.desk.pulse.beat)
        self.desk.phases.names = ("step",)  # of a loop that is not ours no more is known, until its columns are
        self.writer.clerk.every(LOOK_S, self.desk.meter.beat)
        self.writer.begin_posting()
        self.desk.scribe.start()

    def open(self, plan: RowPlan, device: torch.device, config: Mapping[str, Any], meta: Mapping[str, Any]) -> Recorder:
        """It is known what a record holds: write what is written once, and begin to record."""
        self.desk.pulse.describe(describe_device(device))
        self.desk.meter.look_at(card_ids(device))
        if "data_s" not in plan.layout.unmeasured:
            self.desk.phases.names = ("data", "step")
        self.writer.begin(dump(config), 0, {"device": describe_device(device), "watched": True})
        about = {"preset": self.name, "task": "watch", "device": describe_device(device), **meta}
        self._watched = dict(meta.get("watched") or {})
        self.writer.meta(sys.argv, int(config["seed"]), about)
        self._recorder = Recorder(self.writer.records(plan.layout, None), plan, device, self.desk.scribe, self._hear)
        self.desk.pulse.enter(RunState.RUNNING)
        return self._recorder

    def seen_early(self, told: Callable[[], Mapping[str, Any]]) -> None:
        """What the first steps showed; what lies on a device is read in the background."""
        self.tell("early", told)

    def tell(self, what: str, told: Callable[[], Mapping[str, Any]]) -> None:
        """Something that the loop showed, under a name of its own; read in the background as well."""
        self.desk.scribe.submit(lambda: self._tell(what, told))

    def _tell(self, what: str, told: Callable[[], Mapping[str, Any]]) -> None:
        with contextlib.suppress(Exception):  # a look that failed is one that was not taken
            self._watched = {**self._watched, what: dict(told())}
            self.writer.more_meta({"watched": self._watched})

    def planned(self, steps_per_epoch: int, epochs: int, total_steps: int) -> None:
        """How long the loop goes on, as far as it is known; 0: it is not."""
        self.desk.pulse.epochs, self.desk.pulse.total_steps = epochs, total_steps
        if steps_per_epoch:
            known = {"epochs": epochs, "steps_per_epoch": steps_per_epoch, "total_steps": total_steps}
            self.writer.event(EventKind.PLAN, 0, **known, warmup_steps=0, points=[])

    def _hear(self, records: Records) -> None:
        self.desk.pulse.hear(records)
        self.desk.phases.hear(records)
        self._epochs.hear(records)
        self._samples += int(records["batch_size"].sum())

    def epoch_ended(self, epoch: int, step: int) -> None:
        """Say what an epoch came to, when its last record has come from the device."""
        seconds, self._epoch_began = time.monotonic() - self._epoch_began, time.monotonic()
        if self._recorder is not None:
            self._recorder.hand_over()
        self.desk.scribe.submit(lambda: self._tell_epoch(epoch, step, seconds))

    def _tell_epoch(self, epoch: int, step: int, seconds: float) -> None:
        means = self._epochs.means(epoch)
        if means:
            self._num_epochs = epoch
            samples, self._samples_before = self._samples - self._samples_before, self._samples
            said: dict[str, Any] = {"epoch": epoch, "train": means, "seconds": seconds}
            if samples:  # else they are not measured
                said["samples_per_s"] = samples / max(seconds, 1e-9)
            self.writer.event(EventKind.EPOCH, step, **said)

    def validated(
        self, metrics: Mapping[str, Any], epoch: int, step: int, seconds: float, histograms: Mapping[str, Any]
    ) -> None:
        """A validation of the loop's own; what lies on a device is read in the background."""
        kept = {name: value.detach().clone() if isinstance(value, Tensor) else value for name, value in metrics.items()}
        values = taken(histograms)

        def tell() -> None:
            self._tell_validation(kept, epoch, step, seconds)
            self._keep_histograms(values, step)

        self.desk.scribe.submit(tell)

    def _keep_histograms(self, values: Mapping[str, Any], step: int) -> None:
        try:
            found = histograms_of(values)
        except TypeError as err:  # a mistake of the loop's own, which must not end its training
            self.note(EventKind.WARNING, step, str(err))
            return
        if found:
            self.writer.histograms(found, step, self._best_step)

    def _tell_validation(self, metrics: Mapping[str, Any], epoch: int, step: int, seconds: float) -> None:
        raw = {str(name): _number(value) for name, value in metrics.items()}
        monitor = self._monitor or next(iter(raw), "")
        self._monitor = monitor
        mode = "min" if any(word in monitor.lower() for word in SMALLER_IS_BETTER) else "max"
        value = raw.get(monitor, math.nan)
        sign = 1 if mode == "max" else -1
        is_best = math.isfinite(value) and (self._best is None or sign * value > sign * self._best.value)
        if is_best:
            self._best, self._best_step = Best(monitor, value, epoch), step
        self._metrics = raw
        said = {"epoch": epoch, "raw": raw, "best": is_best, "monitor": monitor, "monitor_mode": mode}
        self.writer.event(EventKind.VALIDATION, step, **said, seconds=seconds)

    def note(self, kind: EventKind, step: int, text: str) -> None:
        """Something people should know."""
        self.writer.event(kind, step, text=text)

    def end(self, ending: Ending, step: int, judge: Callable[[], Judgement]) -> None:
        """The last words, as many as the disk takes; again is harmless."""
        if self._is_over:
            return
        self._is_over = True
        if self._recorder is not None:
            self._recorder.hand_over()
        self.desk.scribe.close(LAST_S)
        if self._recorder is not None:
            self._recorder.close()
        judged = Judgement(not_judged="it has no records")
        if self._recorder is not None and self.writer.deliver(LAST_S):
            judged = judge()
        with contextlib.suppress(UserError):
            self.desk.pulse.enter(ending.state, ending.reason)
        seconds = time.monotonic() - self._began
        summary = Summary(
            state=ending.state,
            steps=step,
            epochs=self._num_epochs,
            seconds=seconds,
            samples_per_s=self._samples / seconds if seconds and self._samples else math.nan,
            metrics=self._metrics,
            best=self._best,
            findings=judged.findings,
            num_checks=judged.num_checks,
            not_judged=judged.not_judged,
            verdict=judged.verdict,
            looked_at=judged.looked_at,
            exit_reason=ending.reason,
        )
        self.writer.end(ending, step, summary)
        self.lock.release()


def _opened(root: Path, name: str, made: Path | None) -> tuple[RunPaths, RunLock]:
    """The directory that was made for the run, unless another process has it or had it; else a new one."""
    if made is not None and made.is_dir() and not RunPaths(made).meta.exists():
        with contextlib.suppress(UserError):
            lock = RunLock(RunPaths(made))
            if not RunPaths(made).meta.exists():
                return RunPaths(made), lock
            lock.release()
    paths = create_run(root, name)
    return paths, RunLock(paths)


def _number(value: Any) -> float:
    if isinstance(value, (list, tuple, np.ndarray)):
        return math.nan
    try:
        return float(value)
    except (TypeError, ValueError, RuntimeError):
        return math.nan


def ending_of(error: BaseException | None, *, is_asked: bool) -> Ending:
    """How a loop ended, from what ended it."""
    if is_asked:
        return Ending(RunState.STOPPED, "stopped on request", ExitCode.STOPPED)
    if error is None:
        return Ending(RunState.FINISHED, "the loop ended", ExitCode.OK)
    if isinstance(error, KeyboardInterrupt):
        return Ending(RunState.STOPPED, "interrupted", ExitCode.INTERRUPTED)
    if isinstance(error, SystemExit) and not error.code:
        return Ending(RunState.FINISHED, "the loop ended", ExitCode.OK)
    return Ending(RunState.FAILED, kind_and_words(error), ExitCode.RUN_FAILED)


def say(text: str, given: Sequence[str] = ()) -> None:
    """One line on stderr, as the terminal belongs to the loop."""
    sys.stderr.write(f"trainctl: {text}{''.join(given)}\n")
