"""`trainctl diagnose`: why a training does not work, before it starts or from what a run recorded.

Asks the engine and prints its answer; what is wrong and why is decided there.
"""

from __future__ import annotations

import time
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from trainctl.engine.errors import ExitCode, UserError
from trainctl.tui.cli.options import (
    DEFAULT_RUNS_DIR,
    Config,
    Data,
    Device,
    Json,
    Preset,
    RunsDir,
    Scale,
    ScaleChoice,
    Set,
    Task,
    all_overrides,
    resolve_options,
)
from trainctl.tui.cli.output import print_json, print_lines

if TYPE_CHECKING:
    from trainctl.engine.config.resolve import Resolved
    from trainctl.engine.diagnosis.facts.evidence import Evidence
    from trainctl.tui.cli.live.diagnosis_progress import Progress

STYLES = {"ok": "green", "warning": "yellow", "error": "bold red", "info": "cyan", "dim": "dim", "bold": "bold"}


class Part(StrEnum):
    """What `--only` may ask for."""

    DATA = "data"
    SAMPLER = "sampler"
    LABELS = "labels"
    MODEL = "model"
    GRADIENT = "gradient"
    LOSS = "loss"

    @property
    def sections(self) -> tuple[str, ...]:
        """Sections of the report. A sampler can only be judged by the classes there are."""
        several = {Part.SAMPLER: ("sampler", "labels"), Part.GRADIENT: ("gradient flow",)}
        return several.get(self, (str(self),))


def command(
    run: Annotated[
        str | None,
        typer.Argument(
            metavar="[RUN|LOG]",
            help="A run (name, part of it, path, latest), or the log of any tool (a file, or - for standard input); "
            "none: check before training.",
        ),
    ] = None,
    preset: Preset = None,
    task: Task = None,
    config: Config = None,
    sets: Set = None,
    data: Data = None,
    scale: Scale = ScaleChoice.AUTO,
    device: Device = None,
    only: Annotated[list[Part] | None, typer.Option("--only", help="Check only this part; may be repeated.")] = None,
    preflight: Annotated[
        bool, typer.Option("--preflight", help="With a run: check its configuration and data anew, not its records.")
    ] = False,
    classes: Annotated[
        int | None, typer.Option("--classes", min=2, metavar="K", help="With a log: its classes or clusters.")
    ] = None,
    batch_size: Annotated[
        int | None, typer.Option("--batch-size", min=1, metavar="B", help="With a log: samples of a batch.")
    ] = None,
    json: Json = False,
    progress: Annotated[
        bool, typer.Option("--progress", help="Say each section on stderr when it is judged, as JSON lines.")
    ] = False,
    runs_dir: RunsDir = DEFAULT_RUNS_DIR,
) -> int:
    """Say why a training does not work, before or after it ran.

    With a log, --preset, --config and --set name the configuration it is of: weights of loss terms, clusters.
    Ends with 0 when nothing is wrong (warnings included), with 3 when an error was found.
    """
    from trainctl.engine.diagnosis.catalogue import SECTIONS
    from trainctl.engine.diagnosis.differential import diagnose

    started = time.perf_counter()
    sections = tuple(name for part in only for name in part.sections) if only else SECTIONS
    teller = _teller(sections) if progress else None
    recognised: tuple[str, str] | None = None
    of_log = run is not None and _is_log(run, runs_dir)
    if not of_log and (classes or batch_size):
        raise UserError("--classes and --batch-size go with a log", "a run or a configuration has its own")
    if run is not None and of_log:
        _refuse_with_log(data=data, device=device, only=only, preflight=preflight, progress=progress)
        asked = preset or task or config or sets
        size = ScaleChoice.FULL if scale is ScaleChoice.AUTO else scale  # no device has a say in a log
        resolved = _resolved(preset, task, config, all_overrides(sets), size) if asked else None
        title, evidence = _logged(run, resolved, classes, batch_size)
        sections = SECTIONS
    elif run is not None and not preflight:
        _refuse_with_run(preset=preset, task=task, config=config, set=sets, data=data, device=device)
        title, evidence = _recorded(runs_dir, run)
    else:
        overrides = all_overrides(sets, device=device)
        if run is not None:
            _refuse_with_run(preset=preset, task=task, config=config)
            resolved, data = _of_run(run, runs_dir, data, overrides)
        else:
            if preflight:
                raise UserError("--preflight goes with a run", "name one, or leave it out: without a run it is meant")
            recognised = None if preset or task or config else _recognised(data)
            resolved = _resolved(preset, recognised[0] if recognised else task, config, overrides, scale)
        title, evidence = _preflight(resolved, data, sections, teller)
        title += f" (task {recognised[0]} by the {recognised[1]})" if recognised else ""
    report = diagnose(evidence, sections=sections, seconds=time.perf_counter() - started)
    if teller is not None:
        teller.finish(title, report, evidence)
    if json:
        print_json(report.to_json())
    else:
        _print(title, report, evidence, sections, only or [])
    return ExitCode.FINDINGS if report.verdict == "error" else ExitCode.OK


def _teller(sections: tuple[str, ...]) -> Progress:
    from trainctl.tui.cli.live.diagnosis_progress import Progress

    return Progress(sections)


def _refuse_with_run(**options: Any) -> None:
    for name, value in options.items():
        if value:
            raise UserError(f"a run has its own configuration, not with --{name}", f"leave out --{name} or the run")


def _is_log(ref: str, runs_dir: Path) -> bool:
    from trainctl.engine.diagnosis.logs.evidence import is_log

    return is_log(ref, runs_dir)


def _refuse_with_log(**options: Any) -> None:
    for name, value in options.items():
        if value:
            raise UserError(f"a log is judged as it is, not with --{name}", f"leave out --{name}, or name a run")


def _logged(
    ref: str, resolved: Resolved | None, num_classes: int | None, batch_size: int | None
) -> tuple[str, Evidence]:
    from trainctl.engine.diagnosis.logs.evidence import read_log_evidence

    evidence = read_log_evidence(ref, resolved=resolved, num_classes=num_classes, batch_size=batch_size)
    source = evidence.log.table.source if evidence.log else ref
    return source + (f", as of {resolved.preset}" if resolved else ""), evidence


def _recorded(runs_dir: Path, ref: str) -> tuple[str, Evidence]:
    from trainctl.engine.diagnosis.records.evidence import read_evidence
    from trainctl.engine.runs.index import find_run

    paths = find_run(runs_dir, ref)
    evidence = read_evidence(paths)
    facts = evidence.records
    stands = f", {facts.state}, {facts.num_steps:,} steps" if facts else ""
    return f"{paths.root}{stands}", evidence


def _resolved(
    preset: str | None, task: str | None, config: list[Path] | None, overrides: list[str], scale: ScaleChoice
) -> Resolved:
    size = scale.on(_device_type() if scale is ScaleChoice.AUTO else "")
    return resolve_options(preset, scale=size, config=config, overrides=overrides, task=task)


def _device_type() -> str:
    from trainctl.engine.training.device import choose_device

    return choose_device("auto").type


def _recognised(data: Path | None) -> tuple[str, str] | None:
    """The task that the data itself shows, and by what; only asked where none is named."""
    from trainctl.engine.tasks.recognise import recognise_task

    return recognise_task(data) if data is not None else None


def _of_run(ref: str, runs_dir: Path, data: Path | None, overrides: list[str]) -> tuple[Resolved, Path | None]:
    """Configuration and data that a run was started with."""
    from trainctl.tui.cli.past_run import past_run

    past = past_run(ref, runs_dir, data, overrides)
    return past.resolved, past.data


def _preflight(
    resolved: Resolved, data: Path | None, sections: tuple[str, ...], teller: Progress | None
) -> tuple[str, Evidence]:
    from trainctl.engine.diagnosis.probes.preflight import gather
    from trainctl.engine.tasks.registry import task_type

    task = task_type(resolved.config.task)(resolved.config, data)
    title = f"{resolved.preset}, {resolved.scale} scale, {data or 'built-in data'}, before training"
    return title, gather(task, sections=sections, tell=teller.tell if teller else None)


def _print(title: str, report: Any, evidence: Evidence, sections: tuple[str, ...], only: list[Part]) -> None:
    from trainctl.engine.diagnosis.logs.evidence import log_lines
    from trainctl.engine.diagnosis.report import report_lines
    from trainctl.engine.diagnosis.sampler_check import sampler_check_lines

    lines = [((title, "bold"),), ()]
    if evidence.log is not None:
        lines += [((line, "dim"),) for line in log_lines(evidence.log)]
        sections = ()  # they are the parts of a training, of which a log shows few
    if only == [Part.SAMPLER]:
        lines += sampler_check_lines(evidence)
    lines += report_lines(report, evidence, sections)
    print_lines([(text, STYLES.get(style, "")) for text, style in line] for line in lines)
