"""One sitting of a run: opens the directory, restores what a resume needs, trains, and says how it ended.

The only place that knows all of files, loop and signals. Prints nothing; a reader of the run directory shows it.
"""

from __future__ import annotations

import contextlib
import math
import os
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from trainctl.engine.config.resolve import Resolved
from trainctl.engine.data.batch import Splits
from trainctl.engine.data.fingerprint import fingerprints
from trainctl.engine.errors import ExitCode, UserError, first_line, kind_and_words
from trainctl.engine.files import is_there
from trainctl.engine.launched import Launched, launched
from trainctl.engine.runs.events import EventKind
from trainctl.engine.runs.layout import RunPaths
from trainctl.engine.runs.lock import RunLock
from trainctl.engine.runs.meta import read_meta, write_meta
from trainctl.engine.runs.ranks.side_by_side import drop_ranks_after
from trainctl.engine.runs.states import RunState
from trainctl.engine.runs.store import count_after, drop_after
from trainctl.engine.runs.summary import Judgement, read_summary
from trainctl.engine.tasks.task import Task
from trainctl.engine.training.along import first_state, keep_first, share_state, train_along
from trainctl.engine.training.desk.control import POLL_S, WARNINGS, Signals, requeue_slurm_job
from trainctl.engine.training.desk.desk import desk_of
from trainctl.engine.training.desk.meeting import SharedSignals
from trainctl.engine.training.desk.meter import LOOK_S
from trainctl.engine.training.desk.pulse import BEAT_S
from trainctl.engine.training.desk.run_writer import LAST_S, Ending, RunWriter
from trainctl.engine.training.device import card_ids, choose_device, describe_device
from trainctl.engine.training.fork import Inheritance, Origin, inherit, network_difference, refuse_finished
from trainctl.engine.training.loop.orders import limit_reached
from trainctl.engine.training.loop.step import Observer
from trainctl.engine.training.loop.trainer import Trainer
from trainctl.engine.training.ranks.agreeing import all_or_none, parted, refuse_unlike
from trainctl.engine.training.ranks.meeting import meet, part
from trainctl.engine.training.ranks.team import ALONE_TEAM, LostRankError, Team
from trainctl.engine.training.restore import saved_task_state
from trainctl.engine.training.setup import Assembly, assemble_run
from trainctl.engine.training.state.checkpoint import DamagedCheckpointError
from trainctl.engine.training.state.reading_in_parts import Reading, reading_ahead
from trainctl.engine.training.told import about_run, summarize

JUDGE_WAIT_S = 1.0
"""How long the judgement at the end waits for the disk to take the last records."""


@dataclass(frozen=True)
class Order:
    """What to train and where to write it."""

    resolved: Resolved
    task_type: type[Task]
    data_path: Path | None
    open_run: Callable[[], RunPaths]
    """Gives the run directory; called when everything has been checked."""
    is_resumed: bool = False
    origin: Origin | None = None
    """The run that is forked; none: training starts from a fresh network (or, on a resume, from its own)."""
    argv: Sequence[str] = ()
    on_open: Callable[[RunPaths], None] | None = None
    """Told the directory before training starts, e.g. to show it."""
    on_crash: Callable[[BaseException], object] = traceback.print_exception
    """Told what the task's code raised while it trained, e.g. to print it."""
    make_observer: Callable[[Splits], Observer] | None = None
    """For debugging: looks at every backward pass."""
    judge: Callable[[RunPaths, RunState], Judgement] | None = None
    """Says at the end what the rules find in the records; told the state in which the run ends. None: not judged."""
    environ: dict[str, str] = field(default_factory=lambda: dict(os.environ))
    led: Callable[[Path | None], Order] | None = None
    """Gives the order of a rank that is told by the leading one which run to go on with; none: a new one is begun. One
    alone looks for it: two machines may see a shared folder otherwise."""


def train(order: Order) -> Ending:
    """Train as ordered, to the end or until something ends it.

    Raises:
        UserError: the input cannot work, or the disk refuses; the run directory, if there is one, says so too.
    """
    found = launched(order.environ)
    if found is not None:
        return _train_together(order, found)
    with Signals() as signals:
        with signals.setting_up():
            assembly, inheritance = _prepare(order, None, ALONE_TEAM)
        # Only now: whatever could be refused was, so there is no directory of a run that never trained.
        paths = order.open_run()
        with RunLock(paths):
            return _Sitting(order, assembly, paths, signals, inheritance, ALONE_TEAM).train()


def _train_together(order: Order, found: Launched) -> Ending:
    """As one of several processes. Each prepares by itself; there is a run once nobody has anything to refuse."""
    config, team, ending = order.resolved.config, ALONE_TEAM, None
    with SharedSignals() as signals:
        try:
            with signals.setting_up():
                team = meet(found, config.ranks.timeout_s, choose_device(config.runtime.device).type)
                all_or_none(team, lambda: None)  # here one says what it could not even read
                order = all_or_none(team, partial(_as_led, order, team))
                assembly, inheritance = all_or_none(team, partial(_prepare, order, found, team))
                same = {"a configuration": order.resolved.to_yaml(), "data": fingerprints(assembly.splits)}
                begun = order.open_run().root.name if order.is_resumed else ""
                refuse_unlike(team, {**same, "a run to go on with": begun})
                opened = all_or_none(team, lambda: order.open_run() if team.leads else None)
            if opened is None:
                ending = train_along(order, assembly, team.lead(Path()), signals, team, inheritance)
            else:
                team.lead(opened.root.resolve())
                with RunLock(opened):
                    ending = _Sitting(order, assembly, opened, signals, inheritance, team).train()
            return ending
        except LostRankError as err:  # before there was anything to save
            raise parted(team, err) from err
        except (KeyboardInterrupt, SystemExit) as err:
            received = signals.arrived
            team.leave(kind_and_words(err) if received is None else f"received {received.name}")
            raise
        finally:
            part(team, is_well=ending is not None and ending.code is ExitCode.OK)


def _as_led(order: Order, team: Team) -> Order:
    """With the run to go on with that the leading rank has found."""
    begun = team.lead(order.open_run().root.resolve() if team.leads and order.is_resumed else None)
    return order if team.leads or order.led is None else order.led(begun)


def _prepare(order: Order, found: Launched | None, team: Team) -> tuple[Assembly, Inheritance | None]:
    config, task_state = order.resolved.config, team.lead(_task_state(order) if team.leads else {})
    if config.ranks.shard and not team.is_alone and order.make_observer is not None:
        raise UserError("ranks.shard: a backward pass in parts cannot be looked at", "leave --debug out")
    assembly = assemble_run(config, order.task_type, order.data_path, task_state, found)
    return assembly, _inherit(order, assembly)


def _inherit(order: Order, assembly: Assembly) -> Inheritance | None:
    if order.origin is None:
        return None
    inheritance = inherit(order.origin, assembly, order.resolved, order.data_path)
    refuse_finished(order.origin, assembly, order.resolved.config)
    return inheritance


def _task_state(order: Order) -> Mapping[str, Any]:
    """What the task kept in the checkpoint that is gone on from; empty where there is none."""
    if order.origin is not None:
        return saved_task_state(order.task_type, order.origin.checkpoint)
    paths = order.open_run() if order.is_resumed else None
    for path in () if paths is None else (paths.latest, paths.best):
        with contextlib.suppress(UserError):  # said where the whole checkpoint is loaded
            return saved_task_state(order.task_type, path)
    return {}


class _Sitting:
    """From the open directory to the summary."""

    def __init__(
        self,
        order: Order,
        assembly: Assembly,
        paths: RunPaths,
        signals: Signals,
        inheritance: Inheritance | None,
        team: Team,
    ) -> None:
        self.order, self.assembly, self.paths, self.inheritance = order, assembly, paths, inheritance
        self.writer = RunWriter(paths)
        self.team, self.restored, self.parted, self.first = team, None, None, None
        self.fallback = ""
        """Why a resume does not go on from the latest checkpoint, in words."""
        device = describe_device(assembly.device)
        is_resumed = order.is_resumed
        self.desk = desk_of(self.writer, order.resolved.preset, device, signals, is_resumed=is_resumed, team=team)

    def train(self) -> Ending:
        """Restore, write what is written once, train, sum up."""
        _remove_leftovers(self.paths)
        if self.order.is_resumed:
            self._restore()  # what it refuses leaves the run as it was
        share_state(self.team, self.assembly, self.restored, self.parted, is_resumed=self.order.is_resumed)
        self.restored = None  # it may be large
        if self.inheritance is not None:
            self.first = first_state(self.team, self.assembly, self.order.resolved.config)
        trainer: Trainer | None = None
        try:
            self._begin()
            trainer = self._make_trainer()
            ending = trainer.run()
        except UserError as err:
            self.team.why(err)
            if trainer is not None:
                trainer.save_the_rest()
            self._end(Ending(RunState.FAILED, str(err), ExitCode.USAGE), trainer)
            raise
        except BaseException as err:  # the task's code is the user's: its traceback goes to the console
            others = self.team.why(err)
            if not isinstance(err, LostRankError):
                self.order.on_crash(err)
            if trainer is not None:
                trainer.save_the_rest()
            last = traceback.extract_tb(err.__traceback__)[-1]
            reason = others or f"{kind_and_words(err)} ({Path(last.filename).name}:{last.lineno})"
            ending = Ending(RunState.FAILED, reason, ExitCode.RUN_FAILED)
        if self.desk.signals.received in WARNINGS:
            self._requeue()
        self._end(ending, trainer)
        return ending

    def _begin(self) -> None:
        """Say that the run starts, show it, and start the background thread."""
        if self.order.is_resumed:
            self._take_back()
        progress = self.assembly.state.progress
        if self.order.is_resumed or self.inheritance is not None:
            self.desk.pulse.step, self.desk.pulse.epoch = progress.step, progress.epoch + 1
        self._write_once()
        # A status before anybody is shown the directory, and in this thread: the other one may take its time.
        self.desk.pulse.beat()
        if self.order.on_open is not None:
            self.order.on_open(self.paths)
        self.writer.clerk.every(POLL_S, self.desk.inbox.poll)
        self.writer.clerk.every(BEAT_S, self.desk.pulse.beat)
        self.desk.meter.look_at(card_ids(self.assembly.device))
        self.writer.clerk.every(LOOK_S, self.desk.meter.beat)
        self.writer.begin_posting()
        self.desk.scribe.start()

    def _make_trainer(self) -> Trainer:
        a, make = self.assembly, self.order.make_observer
        observer = make(a.splits) if make else None
        config = self.order.resolved.config
        return Trainer(a.task, a.splits, a.state, config, a.precision, a.device, self.desk, observer)

    def _restore(self) -> None:
        """Take over the newest checkpoint; a run killed before its first one starts over, with the same seed.

        Raises:
            UserError: the checkpoint does not fit, or the run is finished. Nothing was written.
        """
        state = self.assembly.state
        is_fork = "forked_from" in (read_meta(self.paths) or {})  # its best may be of before it began
        with reading_ahead(self.team, state.shards) as read:
            has_any = is_there(self.paths.latest) or (is_there(self.paths.best) and not is_fork)
            found = self._newest_whole(read) if has_any else None
        if found is not None:
            path, content = found
            try:
                state.load_state_dict(content["state"])
                self.restored = content["state"]
                is_parted = state.shards is not None and "parts" in content
                self.parted = path.resolve() if is_parted else None
            except (KeyError, RuntimeError, ValueError, TypeError) as err:
                other = network_difference(state.model.state_dict(), content["state"]["model"])
                if other is not None:
                    raise UserError(
                        f"{path} is of another network: {other}",
                        "resume with the run's own configuration; if it is, the file is another run's",
                    ) from err
                raise UserError(
                    f"{path} does not fit this configuration: {first_line(err)}",
                    "resume with the run's own configuration",
                ) from err
        elif is_fork:
            raise UserError(f"{self.paths.latest} is gone, and a fork cannot start over", "fork again")
        self._refuse_finished()

    def _refuse_finished(self) -> None:
        """Refuse a run that has nothing left to do. One that was stopped in its last validation has that."""
        with contextlib.suppress(UserError):
            summary = read_summary(self.paths)
            if summary is None or summary.state is not RunState.FINISHED:
                return
        state, config = self.assembly.state, self.order.resolved.config
        progress, limit = state.progress, limit_reached(config, state)
        if progress.epoch >= self.assembly.state.plan.epochs:
            raise UserError(
                f"{self.paths.root} has finished its {progress.epoch} epochs",
                f"to go on, raise them: train.epochs={progress.epoch * 2}",
            )
        if limit is not None:
            taken = progress.step if limit.unit == "steps" else math.ceil(progress.elapsed_s / 60)
            raise UserError(
                f"{self.paths.root} has taken its {limit.most:.10g} {limit.unit}",
                f"to go on, raise them: {limit.option}={taken * 2}",
            )

    def _newest_whole(self, read: Reading) -> tuple[Path, dict[str, Any]]:
        """The newest checkpoint that is what was written: the best one is a whole state too, only older.

        Raises:
            UserError: there is none.
        """
        latest, best = self.paths.latest, self.paths.best
        try:
            return latest, read(latest)
        except DamagedCheckpointError as damage:
            if not is_there(best):
                raise
            content = read(best)
            self.fallback = f"{damage.message}: the run goes on from {best.name}, step {content['about']['step']}"
            return best, content

    def _take_back(self) -> None:
        """Undo what the run wrote after the checkpoint it goes on from."""
        progress = self.assembly.state.progress
        self.paths.summary.unlink(missing_ok=True)
        dropped = count_after(self.paths, progress.step)
        # The event first: who follows the run learns what happened before the records are gone.
        data = {"from_step": progress.step, "from_epoch": progress.epoch, "dropped": dropped}
        self.writer.event(EventKind.RESUME, progress.step, **data)
        drop_after(self.paths, progress.step)
        drop_ranks_after(self.paths, progress.step)

    def _write_once(self) -> None:
        a, resolved, writer = self.assembly, self.order.resolved, self.writer
        step = a.state.progress.step
        # A run that was killed before it had a meta.json has not begun: what starts now is its beginning.
        is_new = not self.order.is_resumed or not self.paths.meta.exists()
        about = self._about() if is_new else None
        writer.begin(resolved.to_yaml(), step, about)
        if about is not None:
            if self.inheritance is not None:
                self._write_inheritance(self.inheritance)
            writer.meta(self.order.argv or sys.argv, resolved.config.seed, about)
        self._note_restart()
        leak = a.splits.leak
        warning = leak.note() if leak is not None and leak.count else ""
        fit = resolved.fit_note if is_new and self.inheritance is None else ""
        texts = [text for text in (fit, *a.splits.notes, *a.notes) if text and text != warning]
        writer.notes(EventKind.NOTE, step, texts)
        writer.notes(EventKind.WARNING, step, [warning] if warning else ())
        writer.notes(EventKind.WARNING, step, [self.fallback] if self.fallback else ())

    def _note_restart(self) -> None:
        """How often SLURM has started the job anew, where it says so."""
        count = self.order.environ.get("SLURM_RESTART_COUNT", "")
        meta = read_meta(self.paths)
        if count.isascii() and count.isdigit() and meta is not None:
            write_meta(self.paths, {**meta, "slurm_restart_count": int(count)})

    def _about(self) -> dict[str, Any]:
        """What the run is, and where it comes from."""
        about = about_run(self.assembly, self.order.resolved, self.order.data_path)
        if not self.team.is_alone:
            about["ranks"] = self.team.size
        return about if self.inheritance is None else about | {"forked_from": self.inheritance.about}

    def _write_inheritance(self, inheritance: Inheritance) -> None:
        """Say what was taken over, and keep it: from here on the fork needs its parent no more."""
        step, config = self.assembly.state.progress.step, self.order.resolved.config
        self.writer.notes(EventKind.NOTE, step, inheritance.notes)
        self.writer.notes(EventKind.WARNING, step, inheritance.warnings)
        keep_first(self.writer, self.team, self.assembly, config, inheritance, self.first)
        self.first = None

    def _requeue(self) -> None:
        said = requeue_slurm_job(self.order.environ)
        if said:
            kind = EventKind.WARNING if said.startswith("cannot") else EventKind.NOTE
            self.writer.event(kind, self.assembly.state.progress.step, text=said)

    def _end(self, ending: Ending, trainer: Trainer | None) -> None:
        """Stop the background threads with the last words, as many as the disk takes.

        Raises:
            UserError: all went well, but the disk refuses.
        """
        self.desk.scribe.close(LAST_S)
        if trainer is not None:
            trainer.close()
        step = self.assembly.state.progress.step
        summary = summarize(self.assembly, self.order.resolved.config, self.paths, ending)
        judged = self._judge(ending.state)
        said = {"verdict": judged.verdict, "looked_at": judged.looked_at, "not_judged": judged.not_judged}
        summary = replace(summary, findings=judged.findings, num_checks=judged.num_checks, **said)
        with contextlib.suppress(UserError):  # it is among what the end says was refused
            self.desk.pulse.enter(ending.state, ending.reason)
        refused = self.writer.end(ending, step, summary)
        if refused and ending.code is ExitCode.OK:  # any other ending has its own code, which says more
            raise refused[0]

    def _judge(self, state: RunState) -> Judgement:
        """What the rules say of the records, once the disk has them all. Costs the summary nothing that goes wrong."""
        if self.order.judge is None:
            return Judgement(not_judged="nobody asked for it")
        try:
            if not self.writer.deliver(JUDGE_WAIT_S):
                return Judgement(not_judged="the disk did not take the last records in time")
            return self.order.judge(self.paths, state)
        except Exception as err:
            return Judgement(not_judged=kind_and_words(err))


def _remove_leftovers(paths: RunPaths) -> None:
    """Half-written files of a process that was killed; we hold the lock, so nobody else is writing them."""
    for leftover in paths.root.glob(".*.tmp"):
        leftover.unlink(missing_ok=True)
