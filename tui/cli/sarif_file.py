"""Writes a diagnosis as SARIF: to a file or standard output, each finding with its place in a file of the user's."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from trainctl.engine.errors import UserError
from trainctl.engine.files import is_file, is_folder, is_there
from trainctl.tui.cli.outcome import PRESET_SUFFIXES, STANDARD_OUTPUT, Subject
from trainctl.tui.cli.output import print_json, say
from trainctl.tui.words.language import chosen_language

if TYPE_CHECKING:
    from trainctl.engine.diagnosis.finding import Finding, Report
    from trainctl.engine.diagnosis.sarif import Place


def check_target(target: str) -> None:
    """Refuse a file that holds something else, before anything is measured: a log is easily named for the report.

    Raises:
        UserError: it does, or it is a folder.
    """
    if target == STANDARD_OUTPUT:
        return
    path = Path(target).expanduser()
    if is_folder(path):
        raise UserError(f"--sarif {path}: a folder", "name a file in it")
    if not is_there(path):
        return
    if not is_file(path) or not _is_sarif(path):
        raise UserError(f"--sarif {path}: a file that is no SARIF is there already", "name another file")


def _is_sarif(path: Path) -> bool:
    from trainctl.engine.files import open_regular
    from trainctl.engine.runs.atomic import disk_errors

    with disk_errors(path), open_regular(path) as file:
        return b"sarif" in file.read(200)


def write_sarif(target: str, report: Report, subject: Subject, language: str | None = None) -> None:
    """Print the report as SARIF, or write it to a file.

    Args:
        target: the file; `-`: standard output.
        report: what was found.
        subject: what was diagnosed.
        language: that is asked for and spoken; None: the words are English.

    Raises:
        UserError: the file cannot be written.
    """
    from importlib.metadata import version

    from trainctl.engine.diagnosis.sarif import to_sarif
    from trainctl.engine.languages.phrasebook import phrasebook

    places = {f.code: place for f in _all_findings(report) if (place := _place(f, subject)) is not None}
    of_log = subject.evidence.log is not None
    version_here = version("trainctl-cockpit")
    document = to_sarif(
        report,
        title=subject.title,
        version=version_here,
        places=places,
        of_log=of_log,
        book=phrasebook(chosen_language(language)) if language is not None else None,
    )
    if target == STANDARD_OUTPUT:
        print_json(document)
        return
    from trainctl.engine.runs.atomic import to_json, write_atomic

    path = Path(target).expanduser()
    write_atomic(path, (to_json(document, indent=2) + "\n").encode())
    say(f"SARIF written to {path}", err=True)


def _all_findings(report: Report) -> list[Finding]:
    return [*report.findings, *(entry.finding for entry in report.ignored)]


def _place(finding: Finding, subject: Subject) -> Place | None:
    """The line of a log, else of the option that the fix sets in a file of the user's; none where there is no file."""
    from trainctl.engine.diagnosis.sarif import Place

    if subject.log is not None:
        found = re.search(r"\bline (\d+)", finding.where)
        return Place(_uri(subject.log), int(found[1]) if found else None)
    for key in finding.fix.set or {}:
        file, line = _written_at(key, subject)
        if file is not None:
            return Place(_uri(file), line)
    return None if subject.config is None else Place(_uri(subject.config))


def _written_at(key: str, subject: Subject) -> tuple[Path | None, int | None]:
    """File and line that give an option its value; none where that is no file of the user's."""
    from trainctl.engine.config.yamlfile import read_document

    if subject.config is not None:
        with suppress(UserError):  # damaged: the records still speak
            return subject.config, read_document(subject.config).lines.get(tuple(key.split(".")))
        return subject.config, None
    source = subject.present.sources.get(key) if subject.present else None
    name, _, line = (source.where if source else "").rpartition(":")
    is_own = line.isdecimal() and name.endswith(PRESET_SUFFIXES) and Path(name).is_file()
    return (Path(name), int(line)) if is_own else (None, None)


def _uri(path: Path) -> str:
    """Relative to this folder where it lies beneath, else as a whole."""
    from urllib.parse import quote

    whole, here = path.expanduser().resolve(), Path.cwd()
    return quote(whole.relative_to(here).as_posix()) if whole.is_relative_to(here) else whole.as_uri()
