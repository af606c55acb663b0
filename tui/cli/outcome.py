"""Options on what comes of a diagnosis: exit code, findings to ignore, SARIF, a preset with the fix. Prints nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from trainctl.engine.errors import ExitCode, UserError
from trainctl.tui.cli.options import RunOrConfigurationOptions

if TYPE_CHECKING:
    from trainctl.engine.config.resolve import Resolved
    from trainctl.engine.diagnosis.facts.evidence import Evidence
    from trainctl.engine.diagnosis.finding import Report
    from trainctl.engine.runs.layout import RunPaths

STANDARD_OUTPUT = "-"
PRESET_SUFFIXES = (".yaml", ".yml")


class FailOn(StrEnum):
    """From which severity on the exit code is 3."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"
    NEVER = "never"


@dataclass(frozen=True)
class OutcomeOptions(RunOrConfigurationOptions):
    """Options of a diagnosis, with those on what comes of it."""

    fail_on: Annotated[
        FailOn, typer.Option("--fail-on", help="Least severity of a finding at which the exit code is 3.")
    ] = FailOn.ERROR
    ignore: Annotated[
        list[str] | None,
        typer.Option(
            "--ignore",
            metavar="CODE=REASON",
            help="Leave a finding out of the verdict; it is listed with the reason. May be repeated.",
        ),
    ] = None
    sarif: Annotated[
        str | None, typer.Option("--sarif", metavar="FILE|-", help="Write the report as SARIF 2.1.0; -: print it.")
    ] = None
    fix: Annotated[
        bool,
        typer.Option(
            "--fix",
            help="Show what the fix changes, and write a preset with it: to FILE.yaml among the arguments, else to a "
            "new file here.",
        ),
    ] = False

    @property
    def ignored(self) -> dict[str, str]:
        """Reasons by code.

        Raises:
            UserError: an unknown code, one without a reason, or one twice.
        """
        from trainctl.engine.diagnosis.explanation import find_code

        reasons: dict[str, str] = {}
        for written in self.ignore or ():
            name, _, reason = (part.strip() for part in written.partition("="))
            code = find_code(name)
            if not reason:
                raise UserError(f"--ignore {code}: no reason", f"say why: --ignore '{code}=it is meant to be so'")
            if code in reasons:
                raise UserError(f"--ignore {code}: twice", "give one reason")
            reasons[code] = " ".join(reason.split())
        return reasons

    def check(self, *, json: bool) -> None:
        """Refuse what cannot be had together, before anything is measured.

        Raises:
            UserError: two documents would go to standard output.
        """
        if self.sarif == STANDARD_OUTPUT and json:
            raise UserError("--sarif - and --json: one of the two", "give --sarif a file")

    def exit_code(self, report: Report) -> ExitCode:
        """How the command ends. Hints, which are not shown, count for nothing."""
        from trainctl.engine.diagnosis.finding import Confidence, Severity

        if self.fail_on is FailOn.NEVER:
            return ExitCode.OK
        order = list(Severity)
        grave = order[: order.index(Severity(self.fail_on)) + 1]
        told = [finding for finding in report.findings if finding.confidence is not Confidence.HINT]
        return ExitCode.FINDINGS if any(finding.severity in grave for finding in told) else ExitCode.OK


@dataclass(frozen=True)
class Subject:
    """What was diagnosed."""

    title: str
    """In words."""
    evidence: Evidence
    present: Resolved | None = None
    """The configuration it is of; None: the run's own, or a log of which none was named."""
    run: RunPaths | None = None
    """The run that was diagnosed, or whose configuration was; None: there is none."""
    log: Path | None = None
    """The file of a log; None: it is none, or came through a pipe."""
    data: Path | None = None
    """The user's."""
    task: str | None = None
    """The task as the user named it on the command line, which lets its code run."""
    scale: str | None = None
    """Of a run to come, as the user named it; None: whatever the machine has."""

    @property
    def config(self) -> Path | None:
        """The file of the run that holds the configuration; None: it comes from the command line, or is gone."""
        from trainctl.engine.files import is_file

        return self.run.config if self.run is not None and is_file(self.run.config) else None


def without_fix_file(words: Sequence[str] | None) -> tuple[list[str], Path | None]:
    """The arguments of a command with --fix without the file to write, and that file; None: none is named.

    Raises:
        UserError: there are two.
    """
    is_file = [word.endswith(PRESET_SUFFIXES) and "=" not in word for word in words or ()]
    files = [word for word, holds in zip(words or (), is_file, strict=True) if holds]
    if len(files) > 1:
        raise UserError(f"--fix: {files[0]} and {files[1]}", "it writes one file")
    rest = [word for word, holds in zip(words or (), is_file, strict=True) if not holds]
    return rest, Path(files[0]) if files else None
