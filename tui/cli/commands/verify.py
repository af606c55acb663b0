"""`trainctl verify`: a short training without and with the fix of a finding, and whether the fix helps.

Finds what is meant, has it diagnosed and trained, and prints; how a trial is judged is `tui.compare`'s.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import typer

from trainctl.engine.errors import ExitCode, UserError
from trainctl.tui.cli.cells import seeds_of
from trainctl.tui.cli.command_line import takes
from trainctl.tui.cli.configured import Configured, configured
from trainctl.tui.cli.options import Json, Lang, RunOrConfigurationOptions
from trainctl.tui.cli.output import print_json, print_lines, say
from trainctl.tui.words.language import in_language, speaking

if TYPE_CHECKING:
    from trainctl.engine.diagnosis.finding import Finding, Report
    from trainctl.tui.cli.past_run import PastRun
    from trainctl.tui.cli.trials import TrialPlan

FOLDER = "verify"
"""Of the trainings, in the folder of runs: `latest` stays what it was."""
BEFORE = "before training"
_CODE = re.compile(r"[A-Za-z]\d{3,4}")


@dataclass(frozen=True)
class VerifyOptions(RunOrConfigurationOptions):
    """The options of `trainctl verify`."""

    ONLY_ONE: ClassVar[str] = "one run at a time"
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[CODE] [RUN] [KEY=VALUE]...",
            help="The finding's code; none: the primary one. A run whose records show it; none: check before "
            "training. KEY=VALUE: overrides, as with --set.",
            show_default=False,
        ),
    ] = None
    steps: Annotated[
        int | None, typer.Option("--steps", min=1, metavar="N", help="Steps of each training; none: by the budget.")
    ] = None
    seeds: Annotated[
        str, typer.Option("--seeds", metavar="N|LIST", help="Train under several seeds: from 3 on, by intervals.")
    ] = "1"
    budget: Annotated[
        float, typer.Option("--budget", min=1.0, metavar="S", help="Seconds of all trainings together, about.")
    ] = 60.0
    json: Json = False
    lang: Lang = None

    @property
    def code(self) -> str | None:
        """The code among the arguments.

        Raises:
            UserError: several, or one that no rule has.
        """
        from trainctl.engine.diagnosis.explanation import find_code

        codes = [word for word in self.words or () if _CODE.fullmatch(word)]
        if len(codes) > 1:
            raise UserError(f"{codes[0]} and {codes[1]}: one finding at a time", "name one of them")
        return find_code(codes[0]) if codes else None

    @property
    def without_code(self) -> VerifyOptions:
        """The same without it."""
        return replace(self, words=[word for word in self.words or () if not _CODE.fullmatch(word)])


@dataclass(frozen=True)
class _Found:
    """A finding, and what it was found in."""

    finding: Finding
    source: str
    wanted: Configured
    paths: Path | None
    """The configuration of the run, where one is named."""


@takes(VerifyOptions)
def command(options: VerifyOptions) -> int:
    """Train briefly without and with the fix of a finding, and say whether it helps.

    Both under the same seeds, on the same data, for as many steps; each is a run in RUNS/verify. Ends with 0 when the
    fix helps, with 1 when it does not, with 2 when that cannot be asked.
    """
    with speaking(options.lang):
        return _verify(options)


def _verify(options: VerifyOptions) -> int:
    from trainctl.tui.cli.trials import read_trial, train
    from trainctl.tui.cli.verified import Verified, verified_json, verified_lines
    from trainctl.tui.compare.trial import trial_figures
    from trainctl.tui.compare.trial_verdict import judge_trial

    started = time.perf_counter()
    code, options = options.code, options.without_code
    seeds_of(options.seeds, 0)  # a mistake must not cost the diagnosis
    found = _find(code, options)
    plan, changes = _plan(found, options)
    say(f"{found.finding.code} {found.finding.name}: {', '.join(plan.fixes)}", err=True)
    trained = train(plan)
    if trained.code in (ExitCode.INTERRUPTED, ExitCode.TERMINATED):
        return trained.code
    trial = read_trial(plan, trained)
    figures = trial_figures(trial)
    outcome = Verified(
        title=found.wanted.title,
        finding=found.finding,
        source=found.source,
        is_gone=_is_gone(found, plan) if found.source == BEFORE else None,
        plan=plan,
        changes=changes,
        trained=trained,
        trial=trial,
        figures=figures,
        verdict=judge_trial(trial, figures),
        seconds=time.perf_counter() - started,
    )
    if options.json:
        print_json(in_language(verified_json(outcome), options.lang))
    else:
        print_lines(verified_lines(outcome))
    return outcome.verdict.word.exit_code


def _find(code: str | None, options: VerifyOptions) -> _Found:
    """The finding that is meant: in the records of a run, else before training.

    Raises:
        UserError: it is not found, nothing is, or no setting mends it.
    """
    if options.run is None:
        wanted = configured(options)
        return _Found(_chosen(code, [_preflight(wanted)]), BEFORE, wanted, None)
    of_run = _past_run(options)
    recorded = _recorded(of_run)
    reports = [report for report in (recorded,) if report is not None]
    if not _has(reports, code):
        reports.append(_preflight(of_run))
    finding = _chosen(code, reports)
    is_recorded = recorded is not None and finding in recorded.findings
    source = f"records of {of_run.paths.root.name}" if is_recorded else BEFORE
    return _Found(finding, source, of_run, of_run.paths.config)


def _has(reports: Sequence[Report], code: str | None) -> bool:
    findings = [finding for report in reports for finding in report.findings]
    return any(finding.code == code if code else finding.primary for finding in findings)


def _chosen(code: str | None, reports: Sequence[Report]) -> Finding:
    findings: dict[str, Finding] = {}
    for finding in (finding for report in reports for finding in report.findings):
        findings.setdefault(finding.code, finding)
    there = ", ".join(findings) or "nothing"
    if code is None:
        chosen = next((finding for report in reports for finding in report.findings if finding.primary), None)
        if chosen is None:
            raise UserError("cannot be verified: there is no primary finding", f"found here: {there}; name one of them")
    else:
        chosen = findings.get(code)
        if chosen is None:
            raise UserError(f"cannot be verified: {code} is not found here", f"found here: {there}")
    if not chosen.fix.set:
        others = ", ".join(other.code for other in findings.values() if other.fix.set) or "none"
        raise UserError(
            f"cannot be verified: no setting mends {chosen.code} {chosen.name} ({chosen.fix.text})",
            f"findings with a setting: {others}",
        )
    return chosen


def _preflight(wanted: Configured, section: str | None = None) -> Report:
    from trainctl.engine.diagnosis.catalogue import SECTIONS
    from trainctl.engine.diagnosis.differential import diagnose
    from trainctl.engine.diagnosis.probes.preflight import gather

    sections = SECTIONS if section is None else (section,)
    task = wanted.task_type(wanted.resolved.config, wanted.data)
    return diagnose(gather(task, sections=sections), sections=sections)


def _past_run(options: VerifyOptions) -> PastRun:
    from trainctl.tui.cli.past_run import past_run

    for name in ("preset", "task", "config"):
        if getattr(options, name):
            raise UserError(f"a run has its own configuration, not with --{name}", f"leave out --{name} or the run")
    assert options.run is not None
    return past_run(options.run, options.runs_dir, options.data, options.assignments, trust=options.trust)


def _recorded(of_run: PastRun) -> Report | None:
    from trainctl.engine.diagnosis.differential import diagnose
    from trainctl.engine.diagnosis.records.evidence import read_evidence
    from trainctl.engine.files import is_there

    return diagnose(read_evidence(of_run.paths)) if is_there(of_run.paths.steps) else None


def _plan(found: _Found, options: VerifyOptions) -> tuple[TrialPlan, list[tuple[str, Any, Any]]]:
    """What is to be trained, and what the fix changes.

    Raises:
        UserError: the fix does not fit the configuration, or is in force already.
    """
    from trainctl.engine.config.resolve import diff
    from trainctl.engine.tasks.configured import with_overrides
    from trainctl.tui.cli.trials import TrialPlan
    from trainctl.tui.health.fixes import fix_overrides

    settings = found.finding.fix.set or {}
    fixes, present = fix_overrides(settings), found.wanted.resolved
    fixed = with_overrides(present, fixes)
    changes = diff(present, fixed)
    if not changes:
        raise UserError(f"cannot be verified: {', '.join(fixes)} is in force already", "follow the text of the fix")
    seeds = seeds_of(options.seeds, present.config.seed)
    request = _request(found, options)
    plan = TrialPlan(found.finding.code, request, present, settings, fixes, fixed, seeds, options.steps, options.budget)
    return plan, changes


def _request(found: _Found, options: VerifyOptions) -> Any:
    """How to train the present configuration."""
    from trainctl.tui.alerts.wishes import unalerted
    from trainctl.tui.processes.launch import LaunchRequest

    return LaunchRequest(
        options.runs_dir / FOLDER,
        preset=options.preset if found.paths is None else str(found.paths.resolve()),
        task=options.task,
        data=found.wanted.data,
        scale=found.wanted.resolved.scale,
        trust=options.trust,
        configs=tuple(options.config or ()),
        overrides=tuple(options.assignments),
        environ=unalerted(os.environ),
    )


def _is_gone(found: _Found, plan: TrialPlan) -> bool:
    """Whether it is no more found before training with the fix, or has become a mere information."""
    report = _preflight(replace(found.wanted, resolved=plan.fixed), found.finding.section)
    left = next((finding for finding in report.findings if finding.code == found.finding.code), None)
    return left is None or (left.severity == "info" != found.finding.severity)
