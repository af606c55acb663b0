"""`trainctl diagnose`: why a training does not work, before it starts or from what a run recorded.

Asks the engine and prints its answer; what is wrong and why is decided there.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar

import typer

from trainctl.engine.errors import UserError
from trainctl.engine.files import is_file
from trainctl.tui.cli.command_line import takes
from trainctl.tui.cli.configured import Configured, chosen_scale, configured
from trainctl.tui.cli.options import Json, Lang, ScaleChoice
from trainctl.tui.cli.outcome import STANDARD_OUTPUT, OutcomeOptions, Subject, without_fix_file
from trainctl.tui.cli.output import print_json, print_meant
from trainctl.tui.words.language import in_language, speaking

if TYPE_CHECKING:
    from trainctl.engine.diagnosis.facts.evidence import Evidence
    from trainctl.engine.diagnosis.finding import Report
    from trainctl.tui.cli.live.diagnosis_progress import Progress
    from trainctl.tui.cli.past_run import PastRun


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


@dataclass(frozen=True)
class DiagnoseOptions(OutcomeOptions):
    """The options of `trainctl diagnose`."""

    ONLY_ONE: ClassVar[str] = "one run or log at a time"
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[RUN|LOG] [KEY=VALUE]...",
            help="A run (name, part of it, path, latest), or the log of any tool (a file, or - for standard input); "
            "none: check before training. KEY=VALUE: overrides, as with --set.",
            show_default=False,
        ),
    ] = None
    only: Annotated[list[Part] | None, typer.Option("--only", help="Check only this part; may be repeated.")] = None
    preflight: Annotated[
        bool, typer.Option("--preflight", help="With a run: check its configuration and data anew, not its records.")
    ] = False
    classes: Annotated[
        str | None,
        typer.Option(
            "--classes",
            metavar="FOLDER=CLASS,...|K",
            help="What folders of other names hold: opened_eyes=open,closed_eyes=closed. "
            "With a log: its number of classes or clusters.",
        ),
    ] = None
    batch_size: Annotated[
        int | None, typer.Option("--batch-size", min=1, metavar="B", help="With a log: samples of a batch.")
    ] = None
    columns: Annotated[
        str,
        typer.Option(
            "--columns",
            metavar="ROLE=NAME,...",
            help="With a log: what its names are, where it was misread: train=loss_t,val=loss_v. "
            "Roles: train, val, test, lr, grad_norm, step, epoch, ignore.",
            show_default=False,
        ),
    ] = ""
    against: Annotated[
        str | None,
        typer.Option(
            "--against", metavar="GOOD", help="With a run or log: one of the same task that is known to be good."
        ),
    ] = None
    json: Json = False
    lang: Lang = None
    progress: Annotated[
        bool, typer.Option("--progress", help="Say each section on stderr when it is judged, as JSON lines.")
    ] = False

    @property
    def data_assignments(self) -> list[str]:
        """As in the base class; a number of classes is about a log."""
        return (replace(self, classes=None) if self.num_classes else super()).data_assignments

    @property
    def num_classes(self) -> int | None:
        """Classes or clusters of a log.

        Raises:
            UserError: fewer than two.
        """
        if self.classes is None or not self.classes.strip().lstrip("-").isdecimal():
            return None
        if int(self.classes) < 2:
            raise UserError(f"--classes {self.classes}: too few", "a log has at least 2 classes or clusters")
        return int(self.classes)

    @property
    def names_configuration(self) -> bool:
        """Whether it is said what to check, other than by the data."""
        return bool(self.preset or self.task or self.config)


@takes(DiagnoseOptions)
def command(options: DiagnoseOptions) -> int:
    """Say why a training does not work, before or after it ran.

    With a log, --preset, --config and KEY=VALUE name the configuration it is of: weights of loss terms, clusters.
    Ends with 0 when nothing is wrong (warnings included), with 3 when an error was found; --fail-on says otherwise.
    """
    _share_cores()
    with speaking(options.lang):
        return _diagnose(options)


def _share_cores() -> None:
    """One thread for the linear algebra of NumPy and SciPy, where nobody says otherwise.

    Theirs spin while they wait for each other, whatever OpenMP is told: on a machine that does other work too, a fit
    of a second takes minutes. Read when NumPy is imported.
    """
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


def _diagnose(options: DiagnoseOptions) -> int:
    from trainctl.engine.diagnosis.catalogue import SECTIONS
    from trainctl.engine.diagnosis.differential import diagnose

    started = time.perf_counter()
    options, fix_file = _checked(options)
    sections = tuple(name for part in options.only or () for name in part.sections) or SECTIONS
    teller = _teller(sections) if options.progress else None
    ignored = options.ignored
    subject = _gather(options, sections, teller)
    if options.against is not None:
        from trainctl.tui.cli.against import against

        subject = against(subject, options.against, options.runs_dir)
    seconds = time.perf_counter() - started
    report = diagnose(subject.evidence, sections=sections, seconds=seconds, ignore=ignored)
    if teller is not None:
        teller.finish(subject.title, report, subject.evidence)
    _tell(options, subject, report, sections, fix_file)
    return options.exit_code(report)


def _checked(options: DiagnoseOptions) -> tuple[DiagnoseOptions, Path | None]:
    """The options without the file that --fix writes, and that file; what cannot be is refused before all work."""
    options.check(json=options.json)
    if options.against is not None:
        from trainctl.tui.cli.against import check_against

        check_against(has_run=options.run is not None, is_preflight=options.preflight)
    if options.sarif is not None:
        from trainctl.tui.cli.sarif_file import check_target

        check_target(options.sarif)
    if not options.fix:
        return options, None
    from trainctl.tui.cli.fix_file import check_free

    words, fix_file = without_fix_file(options.words)
    check_free(fix_file)
    return replace(options, words=words), fix_file


def _tell(
    options: DiagnoseOptions, subject: Subject, report: Report, sections: tuple[str, ...], fix_file: Path | None
) -> None:
    """Print the report, and write what was asked for beside it."""
    is_plain = not options.json and options.sarif != STANDARD_OUTPUT
    if is_plain:
        _print(subject.title, report, subject.evidence, sections, options.only or [])
    if options.sarif is not None:
        from trainctl.tui.cli.sarif_file import write_sarif

        write_sarif(options.sarif, report, subject, options.lang)
    document = report.to_json()
    if options.fix:
        from trainctl.tui.cli.fix_file import plan_fixed_preset, write_fixed_preset

        fixed = plan_fixed_preset(report, subject)
        document["fixed"] = write_fixed_preset(fixed, fix_file, subject, is_quiet=not is_plain)
    if options.json:
        print_json(in_language(document, options.lang))


def _gather(options: DiagnoseOptions, sections: tuple[str, ...], teller: Progress | None) -> Subject:
    """What is diagnosed, and what is known of it: of a log, a run's records, or a training to come."""
    of_log = options.run is not None and _is_log(options.run, options.runs_dir)
    if not of_log and (options.num_classes or options.batch_size or options.columns):
        raise UserError("--classes K, --batch-size and --columns go with a log", "a run has its own names and sizes")
    if of_log and options.classes and not options.num_classes:
        raise UserError("a log has no folders", "with a log, --classes is a number of classes or clusters")
    if options.run is None:
        if options.preflight:
            raise UserError("--preflight goes with a run", "name one, or leave it out: without a run it is meant")
        wanted, recognised = _wanted(options)
        subject = _preflight(wanted, sections, teller)
        named = None if options.scale is ScaleChoice.AUTO else str(options.scale)
        return replace(subject, title=subject.title + recognised, task=options.task, scale=named)
    if of_log:
        return _logged(options.run, options)
    if options.preflight:
        of_run = _of_run(options.run, options)
        return replace(_preflight(of_run, sections, teller), run=of_run.paths)
    return _recorded(options.run, options)


def _teller(sections: tuple[str, ...]) -> Progress:
    from trainctl.tui.cli.live.diagnosis_progress import Progress

    return Progress(sections)


def _is_log(ref: str, runs_dir: Path) -> bool:
    from trainctl.engine.diagnosis.logs.evidence import is_log

    return is_log(ref, runs_dir)


def _refuse(options: DiagnoseOptions, names: tuple[str, ...], what: str, instead: str) -> None:
    """Refuse options by the names of their fields; `instead` may have a place for the option."""
    for name in names:
        if getattr(options, name):
            flags = {"sets": "--set", "overrides": "KEY=VALUE"}
            flag = flags.get(name, f"--{name.replace('_', '-')}")
            raise UserError(f"{what}, not with {flag}", instead.format(flag=flag))


def _refuse_with_run(options: DiagnoseOptions, *names: str) -> None:
    _refuse(options, names, "a run has its own configuration", "leave out {flag} or the run")


def _logged(ref: str, options: DiagnoseOptions) -> Subject:
    from trainctl.engine.diagnosis.logs.evidence import read_log_evidence

    names = ("data", "device", "group_by", "skip_corrupt", "only", "preflight", "progress")
    _refuse(options, names, "a log is judged as it is", "leave out {flag}, or name a run")
    resolved = None
    if options.names_configuration or options.sets or options.overrides:
        from trainctl.engine.tasks.configured import reading

        is_open = options.scale is ScaleChoice.AUTO  # no device has a say in a log
        resolved = configured(replace(options, scale=ScaleChoice.FULL) if is_open else options, reading).resolved
    evidence = read_log_evidence(
        ref,
        resolved=resolved,
        num_classes=options.num_classes,
        batch_size=options.batch_size,
        columns=options.columns,
    )
    source = evidence.log.table.source if evidence.log else ref
    title, path = source + (f", as of {resolved.preset}" if resolved else ""), Path(ref).expanduser()
    return Subject(title, evidence, resolved, log=path if is_file(path) else None)


def _recorded(ref: str, options: DiagnoseOptions) -> Subject:
    from trainctl.engine.diagnosis.records.evidence import read_evidence
    from trainctl.engine.runs.index import find_run

    about_data = ("data", "device", "group_by", "classes", "skip_corrupt")
    _refuse_with_run(options, "preset", "task", "config", "sets", "overrides", *about_data)
    paths = find_run(options.runs_dir, ref)
    evidence = read_evidence(paths)
    facts = evidence.records
    stands = f", {facts.stands}, {facts.num_steps:,} steps" if facts else ""
    return Subject(f"{paths.root}{stands}", evidence, run=paths)


def _of_run(ref: str, options: DiagnoseOptions) -> PastRun:
    """Configuration and data that a run was started with."""
    from trainctl.tui.cli.past_run import past_run

    _refuse_with_run(options, "preset", "task", "config")
    return past_run(ref, options.runs_dir, options.data, options.assignments, trust=options.trust)


def _wanted(options: DiagnoseOptions) -> tuple[Configured, str]:
    """What the options ask for; and in words by what its task was recognised, where none is named."""
    from trainctl.engine.tasks.recognise import recognise_task

    found = None if options.data is None or options.names_configuration else recognise_task(options.data)
    task, words = (found[0], f" (task {found[0]} by the {found[1]})") if found else (options.task, "")
    # The automatic scale is that of this machine, whatever --device says.
    scale = ScaleChoice(chosen_scale(options.scale, None))
    return configured(replace(options, task=task, scale=scale)), words


def _preflight(wanted: Configured, sections: tuple[str, ...], teller: Progress | None) -> Subject:
    from trainctl.engine.diagnosis.probes.preflight import gather

    resolved = wanted.resolved
    task = wanted.task_type(resolved.config, wanted.data)
    title = f"{resolved.preset}, {resolved.scale} scale, {wanted.data_words}, before training"
    evidence = gather(task, sections=sections, tell=teller.tell if teller else None)
    return Subject(title, evidence, resolved, data=wanted.data)


def _print(title: str, report: Report, evidence: Evidence, sections: tuple[str, ...], only: list[Part]) -> None:
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
    first = next((finding for finding in report.findings if finding.primary), None)
    if first is not None:
        tries = f"; --fix writes a preset with the fix, trainctl verify {first.code} tries it" if first.fix.set else ""
        lines.append((("  more: ", "dim"), (f"trainctl explain {first.code}{tries}", "dim")))
    print_meant(lines)
