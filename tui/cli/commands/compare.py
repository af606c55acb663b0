"""`trainctl compare`: runs and presets side by side: figures, over seeds, configuration, promises and results.

Finds the runs that are meant, has those trained that are missing, and prints; what is compared is `tui.compare`'s.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from trainctl.engine.errors import ExitCode, UserError
from trainctl.engine.files import is_file, is_there
from trainctl.engine.runs.index import find_run, looks_like_run
from trainctl.tui.cli.cells import Cell, CellTraining, Need, Shelf, Source, seeds_of
from trainctl.tui.cli.command_line import takes
from trainctl.tui.cli.options import (
    DEFAULT_RUNS_DIR,
    Data,
    Device,
    Json,
    Lang,
    RunsDir,
    Scale,
    ScaleChoice,
    Set,
    Trust,
    all_overrides,
    names_and_overrides,
)
from trainctl.tui.cli.output import print_json, print_lines, say
from trainctl.tui.words.language import speaking

if TYPE_CHECKING:
    from trainctl.engine.config.resolve import Resolved
    from trainctl.engine.importing.passing import Passing
    from trainctl.engine.runs.layout import RunPaths
    from trainctl.tui.cli.comparing.compared import Compared
    from trainctl.tui.compare.facts import RunFacts
    from trainctl.tui.compare.study import Trials
    from trainctl.tui.processes.trainings import Outcome

YAML = (".yaml", ".yml")
MOST_OF_STUDY = 5
"""Of its best trials."""


@dataclass(frozen=True)
class CompareOptions:
    """The options of `trainctl compare`."""

    runs: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="RUN|PRESET... [KEY=VALUE]...",
            help="Runs by name, part of it, path or `latest`; logs of other tools; presets by name or file; "
            "overrides of the presets.",
            show_default=False,
        ),
    ] = None
    study: Annotated[
        str | None,
        typer.Option("--study", metavar="STUDY", help="The trials of a sweep, and its best five side by side."),
    ] = None
    seeds: Annotated[
        str | None,
        typer.Option(
            "--seeds",
            metavar="N|LIST",
            help="Compare over seeds, `5` or `1,2,42`: what is missing is trained, what is unfinished resumed.",
        ),
    ] = None
    jobs: Annotated[
        int | None,
        typer.Option("--jobs", "-j", metavar="N", min=1, help="Trainings at a time; default: half the cores."),
    ] = None
    promised: Annotated[
        bool, typer.Option("--promised", help="Judge what the presets' documents promise, with a verdict each.")
    ] = False
    plot: Annotated[
        Path | None, typer.Option("--plot", metavar="FILE", help="Draw the curves into an .svg or .png file.")
    ] = None
    metric: Annotated[
        str, typer.Option("--metric", "-m", metavar="NAME", help="Rank by this validation metric, epoch by epoch.")
    ] = ""
    sets: Set = None
    data: Data = None
    scale: Scale = ScaleChoice.AUTO
    device: Device = None
    trust: Trust = False
    runs_dir: RunsDir = DEFAULT_RUNS_DIR
    json: Json = False
    lang: Lang = None


@takes(CompareOptions)
def command(options: CompareOptions) -> None:
    """Compare runs, logs of other tools or presets, also over several seeds.

    Final figures (* best), differences of configuration, promises beside what was measured.
    """
    from trainctl.engine.importing.passing import Passing

    with speaking(options.lang), Passing(options.runs_dir) as passing:
        code = _compare(options, passing)
    if code:
        raise typer.Exit(code)


def _compare(options: CompareOptions, passing: Passing) -> ExitCode:
    from trainctl.tui.cli.comparing.as_json import as_json
    from trainctl.tui.cli.comparing.compared import lines
    from trainctl.tui.cli.sweep.trial_table import trial_lines, trials_json
    from trainctl.tui.compare.picture import check_picture, write_picture
    from trainctl.tui.compare.study import best_trials

    if options.plot is not None:
        check_picture(options.plot)
    names, words = names_and_overrides(options.runs or (), options.runs_dir)
    overrides = all_overrides(options.sets, words, options.device)
    trials = _trials(options)
    names += [run for run, _ in best_trials(trials, MOST_OF_STUDY)]
    if trials and len(names) < 2 and not options.json:
        print_lines(trial_lines(trials, None))
        return ExitCode.OK
    if not names:
        raise UserError("nothing is named to compare", "name runs or presets")
    if options.seeds is None:
        compared, code = _as_they_are(options, names, overrides, passing), ExitCode.OK
    else:
        compared, code = _over_seeds(options, names, overrides)
    _check_metric(compared.facts, options.metric)
    if options.json:
        print_json(as_json(compared, options.metric, promised=options.promised) | trials_json(trials))
    elif compared.facts:
        if trials:
            print_lines([*trial_lines(trials, None), []])
        print_lines(lines(compared, options.metric, promised=options.promised))
    if options.plot is not None and compared.facts:
        write_picture(options.plot, compared.columns, options.metric)
        say(f"wrote {options.plot}", err=True)
    return code


def _trials(options: CompareOptions) -> Trials:
    """The trials of the study that is named; empty: none is."""
    from trainctl.tui.run.trial import trials_of

    found = () if options.study is None else trials_of(options.runs_dir, options.study)
    return [(run.root.name, trial) for run, trial in found]


def _as_they_are(options: CompareOptions, names: Sequence[str], overrides: Sequence[str], passing: Passing) -> Compared:
    """Runs, what logs of other tools hold, and the newest finished run of each preset."""
    from trainctl.tui.cli.comparing.compared import Compared
    from trainctl.tui.compare.columns import grouped
    from trainctl.tui.run.names import short_names

    shelf = Shelf(options.runs_dir)
    abouts: dict[Path, Any] = {}
    paths: list[RunPaths] = []
    notes: list[str] = []
    for name in names:
        if not _is_preset(name, options):
            paths += passing.runs_of(name) or [find_run(options.runs_dir, name)]
            continue
        cell = _newest(shelf, _source(name, options, overrides))
        assert cell.run is not None
        paths.append(cell.run)
        abouts[cell.run.root] = cell.resolved.about.model_dump(mode="json", exclude_defaults=True)
        notes.append(f"{name} is its run {cell.run.root.name} ({cell.resolved.scale} scale, seed {cell.seed})")
    if overrides and not abouts:
        raise UserError(f"{overrides[0]} changes a preset, and none is named", "leave it out, or name a preset")
    paths = list(dict.fromkeys(paths))
    if len(paths) < 2:
        raise UserError("only one run is named, a comparison needs two", "list runs with: trainctl runs")
    facts = [read_facts(path) for path in paths]
    facts = [
        replace(run, about=abouts[path.root]) if path.root in abouts else run
        for path, run in zip(paths, facts, strict=True)
    ]
    short = short_names([run.name for run in facts])
    return Compared(paths, facts, short, grouped(facts, short), notes)


def _newest(shelf: Shelf, source: Source) -> Cell:
    resolved = _resolved(source, [])
    seed = resolved.config.seed
    cell = shelf.cell(source, seed, resolved)
    if cell.need is not Need.NOTHING:
        state = {Need.WAIT: "is still running", Need.GO_ON: "was interrupted"}.get(cell.need, "")
        what = f"its run {cell.run.root.name} {state}" if cell.run else "there is no finished run of it"
        where = f"at {resolved.scale} scale with seed {seed}"
        raise UserError(f"preset {source.name}: {what} {where}", "get it with --seeds 1, or name a run")
    return cell


def _over_seeds(options: CompareOptions, names: Sequence[str], overrides: Sequence[str]) -> tuple[Compared, ExitCode]:
    """Every preset under every seed; what is missing is trained first."""
    from trainctl.engine.config.layers import split_override

    if any(split_override(text)[0] == "seed" for text in overrides):
        raise UserError("seed=... and --seeds say the same", "leave out one of them")
    sources = list(dict.fromkeys(_seed_source(name, options, overrides) for name in names))
    assert options.seeds is not None
    seeds = seeds_of(options.seeds, _resolved(sources[0], []).config.seed)
    shelf = Shelf(options.runs_dir)
    # All of them before any is trained: a mistake in the last must not cost the trainings of the first.
    cells = [shelf.cell(source, seed, _resolved(source, [f"seed={seed}"])) for seed in seeds for source in sources]
    outcomes, code = _train(cells, options)
    return _compared(sources, seeds, cells, outcomes), code


def _train(cells: Sequence[Cell], options: CompareOptions) -> tuple[dict[int, Outcome | None], ExitCode]:
    """Have done what is needed; the outcomes by position in `cells` of those that needed anything."""
    from trainctl.tui.alerts.wishes import unalerted
    from trainctl.tui.cli.cell_progress import CellProgress
    from trainctl.tui.processes.trainings import run_all

    waiting = [k for k, cell in enumerate(cells) if cell.need is not Need.NOTHING]
    if len(waiting) < len(cells):
        say(f"{len(cells) - len(waiting)} of {len(cells)} runs are there already", err=True)
    if not waiting:
        return {}, ExitCode.OK
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    jobs = min(options.jobs or max(cores // 2, 1), len(waiting))
    threads = max(cores // jobs, 1) if jobs > 1 else None
    environ = unalerted(os.environ)
    trainings = [CellTraining(cells[k], options.runs_dir, environ, _threads(cells[k], threads)) for k in waiting]
    progress = CellProgress([cells[k].name for k in waiting], [str(cells[k].need) for k in waiting])
    try:
        outcomes, code = run_all(list(trainings), jobs, progress)
    finally:
        progress.close()
    if code in (ExitCode.INTERRUPTED, ExitCode.TERMINATED):
        say("interrupted; the same command goes on with what is left", err=True)
    return dict(zip(waiting, outcomes, strict=True)), code


def _threads(cell: Cell, threads: int | None) -> int | None:
    """Threads of a training that shares the machine; none where its configuration says how many."""
    return None if str(cell.resolved.sources.get("runtime.threads", "default")) != "default" else threads


def _compared(
    sources: Sequence[Source], seeds: Sequence[int], cells: Sequence[Cell], outcomes: dict[int, Outcome | None]
) -> Compared:
    from trainctl.tui.cli.comparing.compared import Compared
    from trainctl.tui.compare.columns import Column
    from trainctl.tui.run.names import short_names

    told: list[dict[str, Any]] = []
    found: dict[Source, dict[int, tuple[RunPaths, RunFacts]]] = {source: {} for source in sources}
    abouts: dict[Source, dict[str, Any]] = {}
    for k, cell in enumerate(cells):
        abouts[cell.source] = cell.resolved.about.model_dump(mode="json", exclude_defaults=True)
        outcome = outcomes.get(k)
        run = outcome.run if outcome is not None else cell.run
        is_finished = cell.need is Need.NOTHING or (outcome is not None and outcome.is_finished)
        told.append(_cell_json(cell, run, outcome, is_finished=is_finished))
        if run is not None and is_there(run.steps):
            found[cell.source][cell.seed] = run, replace(read_facts(run), about=abouts[cell.source])
    names = _names(sources)
    columns = [
        Column(
            name,
            source.preset,
            {seed: found[source][seed][1] for seed in seeds if seed in found[source]},
            abouts[source],
            tuple(seeds),
        )
        for source, name in zip(sources, names, strict=True)
    ]
    pairs = [pair for of in found.values() for pair in of.values()]
    scales = sorted({cell.resolved.scale for cell in cells})
    notes = [f"seeds {', '.join(map(str, seeds))}, {' and '.join(scales)} scale"]
    facts = [run for _, run in pairs]
    return Compared([path for path, _ in pairs], facts, short_names([run.name for run in facts]), columns, notes, told)


def _cell_json(cell: Cell, run: RunPaths | None, outcome: Outcome | None, *, is_finished: bool) -> dict[str, Any]:
    return {
        "column": cell.source.name,
        "seed": cell.seed,
        "run": None if run is None else run.root.name,
        "path": None if run is None else str(run.root.absolute()),
        "was": str(cell.need) if outcome is not None or cell.need is Need.NOTHING else "not begun",
        "is_finished": is_finished,
        "reason": "" if outcome is None else outcome.reason,
    }


def _names(sources: Sequence[Source]) -> list[str]:
    """The last part of each name, or all of it where two would be the same."""
    short = [Path(source.name).stem if source.name.endswith(YAML) else source.name.split("/")[-1] for source in sources]
    return [name if short.count(name) == 1 else source.name for source, name in zip(sources, short, strict=True)]


def _is_preset(name: str, options: CompareOptions) -> bool:
    """Whether an argument means a preset: a file of one, a full name, or a bare one that no single run is called by."""
    from trainctl.engine.config.presets import preset_names

    if looks_like_run(Path(name)) or looks_like_run(options.runs_dir / name):
        return False
    if name.endswith(YAML):
        return True
    known = preset_names()
    if name in known:
        return True
    if not any(full.endswith(f"/{name}") for full in known):
        return False
    if options.seeds is not None:
        return True
    try:
        find_run(options.runs_dir, name)
    except UserError:
        return True
    return False


def _source(name: str, options: CompareOptions, overrides: Sequence[str]) -> Source:
    from trainctl.engine.config.presets import find_preset
    from trainctl.tui.cli.configured import chosen_scale

    scale = chosen_scale(options.scale, options.device)
    return Source(name, find_preset(name), scale, options.data, tuple(overrides), options.trust)


def _seed_source(name: str, options: CompareOptions, overrides: Sequence[str]) -> Source:
    """The preset called so, or the configuration of the run."""
    from trainctl.engine.runs.meta import read_meta
    from trainctl.tui.run.names import short_names

    if _is_preset(name, options):
        return _source(name, options, overrides)
    run = find_run(options.runs_dir, name)
    meta = read_meta(run)
    if meta is None or not is_file(run.config):
        raise UserError(f"{run.root} has no configuration to train under other seeds", "name a preset")
    if "forked_from" in meta:
        raise UserError(f"{run.root} is a fork: under other seeds it would begin elsewhere", "name a preset")
    data = options.data or (Path(str(meta["data"])) if meta.get("data") else None)
    scale = "small" if meta.get("scale") == "small" else "full"
    return Source(short_names([run.root.name])[0], str(run.config), scale, data, tuple(overrides), options.trust)


def _resolved(source: Source, more: Sequence[str]) -> Resolved:
    from trainctl.engine.tasks.configured import running
    from trainctl.tui.cli.configured import resolve_options

    return resolve_options(
        source.preset,
        scale="small" if source.scale == "small" else "full",
        overrides=[*source.overrides, *more],
        data=source.data,
        source=running(trust=source.trust),
    )


def read_facts(paths: RunPaths) -> RunFacts:
    """What is compared of a run, read as far as it goes now.

    Raises:
        UserError: a newer version wrote it.
    """
    from trainctl.tui.compare.facts import facts_of, read_config
    from trainctl.tui.run.feed import read_whole

    return facts_of(read_whole(paths), read_config(paths.config))


def _check_metric(facts: Sequence[RunFacts], metric: str) -> None:
    known = list(dict.fromkeys(name for run in facts for name in run.metrics()))
    if metric and metric not in known:
        hint = f"there is: {', '.join(known)}" if known else "none of the runs has been validated"
        raise UserError(f"no run has the metric {metric!r}", hint)
