"""`trainctl sweep`: looks for the best values of some options, with any number of workers on a shared folder.

Joins the study, works, and prints; how a trial is run is `trial`'s, what is meant by the options `asked`'s.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from trainctl.engine.errors import ExitCode, UserError
from trainctl.tui.cli.command_line import takes
from trainctl.tui.cli.configured import Configured, configured
from trainctl.tui.cli.output import print_json, print_lines, say
from trainctl.tui.cli.sweep.options import SweepOptions
from trainctl.tui.cli.sweep.study import Sampler
from trainctl.tui.run.trial import TrialState
from trainctl.tui.words.language import in_language, speaking

if TYPE_CHECKING:
    from trainctl.tui.cli.sweep.journal import Journal
    from trainctl.tui.cli.sweep.shown import Shown
    from trainctl.tui.cli.sweep.study import Study

STATUS = "status"
MOST_SHOWN = 10
"""Trials in the table at the end."""


@takes(SweepOptions, first=("preset", "space", "trials"))
def command(options: SweepOptions) -> None:
    """Look for the best values of options: trials of a space, on any number of machines.

    The same command, wherever the folder of runs is seen, joins the same study; there is no server. Each trial is a run
    of its own (docs/sweep.md).
    """
    with speaking(options.lang):
        code = _command(options)
    if code:
        raise typer.Exit(code)


def _command(options: SweepOptions) -> ExitCode:
    from trainctl.tui.cli.sweep.journal import refuse_without_optuna

    words = options.words or []
    if words and words[0] == STATUS:
        refuse_without_optuna()
        _status(options, words[1:])
        return ExitCode.OK
    stranger = next((word for word in words if "=" not in word), None)
    if stranger is not None:
        raise UserError(f"{stranger!r} is not KEY=VALUE", f"write e.g. optimizer.lr=3e-4, or {STATUS} STUDY")
    if options.space is None:
        raise UserError("what is to be varied?", "name a file with --space FILE; docs/sweep.md has its format")
    refuse_without_optuna()
    return _sweep(options, options.space)


def _sweep(options: SweepOptions, space: Path) -> ExitCode:
    from trainctl.tui.cli.sweep.asked import request_asked_for, study_asked_for
    from trainctl.tui.cli.sweep.best_preset import check_free
    from trainctl.tui.cli.sweep.choosing import grid_size
    from trainctl.tui.cli.sweep.journal import Journal
    from trainctl.tui.cli.sweep.progress import Progress
    from trainctl.tui.cli.sweep.study import join
    from trainctl.tui.cli.sweep.work import Work, work
    from trainctl.tui.cli.sweep.worker import this_worker
    from trainctl.tui.compare.study import best_trials

    wanted = configured(options)
    study = study_asked_for(options, space, wanted)
    most = min(options.trials, grid_size(study)) if options.sampler is Sampler.GRID else options.trials
    check_free(options.write_best)
    is_new = join(study)
    journal = Journal(study, this_worker())
    before = journal.trials()
    done = sum(trial.state is not TrialState.RUNNING for _, trial in before)
    best = best_trials(before, 1)
    say(f"study {study.name}: {'begun' if is_new else 'joined'}, {done} of {most} trials are done", err=True)
    progress = Progress(study.objective, done, most, best[0][1].value if best else None)
    try:
        code = work(Work(study, journal, request_asked_for(options, wanted), most), progress)
    finally:
        progress.close()
    return _finish(options, study, journal, wanted, code)


def _finish(options: SweepOptions, study: Study, journal: Journal, wanted: Configured, code: ExitCode) -> ExitCode:
    """Show what the study has come to; the exit code of it all."""
    from trainctl.tui.cli.sweep.best_preset import write_best

    shown, path = _shown(options.runs_dir, study, journal), options.write_best
    if path is not None and shown.best is not None and not code:
        if shown.is_over:
            write_best(study, wanted.resolved, options.data, shown.best, path)
            shown = replace(shown, file=path)
        else:
            say(f"{path} is not written: trials are under way elsewhere; whoever ends last writes it", err=True)
    _print(shown, MOST_SHOWN, options)
    if code:
        say("the same command goes on with what is left", err=True)
    return code or (ExitCode.OK if shown.best is not None else ExitCode.RUN_FAILED)


def _status(options: SweepOptions, names: Sequence[str]) -> None:
    """Say how a study stands: the one that is named, or the only one."""
    from trainctl.tui.cli.sweep.journal import Journal
    from trainctl.tui.cli.sweep.study import read_study, study_folder, study_names

    known = study_names(options.runs_dir)
    there = f"there is: {', '.join(known)}" if known else "begin one with --space FILE"
    if len(names) > 1:
        raise UserError(f"{names[0]} and {names[1]}: one study at a time", "name one of them")
    if not names and len(known) != 1:
        raise UserError(f"which study of {options.runs_dir}?" if known else f"no study in {options.runs_dir}", there)
    name = names[0] if names else known[0]
    study = read_study(study_folder(options.runs_dir, name))
    if study is None:
        raise UserError(f"no study {name!r} in {options.runs_dir}", there)
    _print(_shown(options.runs_dir, study, Journal(study)), None, options)


def _shown(runs_dir: Path, study: Study, journal: Journal) -> Shown:
    from trainctl.tui.cli.sweep.shown import Shown
    from trainctl.tui.cli.sweep.work import gone_asker

    left = journal.left(gone_asker(runs_dir))
    return Shown(study, journal.trials(), journal.importance(), left)


def _print(shown: Shown, most: int | None, options: SweepOptions) -> None:
    from trainctl.tui.cli.sweep.shown import as_json, lines

    if options.json:
        print_json(in_language(as_json(shown), options.lang))
    else:
        print_lines(lines(shown, most))
