"""The page as a whole: one file that loads nothing, runs nothing and can be printed."""

from __future__ import annotations

from importlib.resources import files

from trainctl.tui.report.configuration import configuration
from trainctl.tui.report.curves import curves
from trainctl.tui.report.figures import figures, promised
from trainctl.tui.report.findings import findings
from trainctl.tui.report.hardware import hardware
from trainctl.tui.report.headline import headline, title
from trainctl.tui.report.html import Html, element, joined
from trainctl.tui.report.origin import origin
from trainctl.tui.report.samples import samples
from trainctl.tui.report.subject import PageSubject
from trainctl.tui.report.timeline import timeline

GENERATOR = "trainctl report"
MARK = f'<meta name="generator" content="{GENERATOR}">'
"""What makes a file a report of ours, near its beginning."""
POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"
"""Said to the browser too: nothing is loaded, no script runs, whatever a name may hold."""


def page(subject: PageSubject, language: str = "en") -> str:
    """The whole document.

    Args:
        subject: what it is about.
        language: that is spoken.
    """
    parts = [
        curves(subject),
        findings(subject),
        figures(subject),
        promised(subject),
        configuration(subject),
        hardware(subject),
        timeline(subject),
        samples(subject),
        origin(subject),
    ]
    sections = [part for part in parts if part is not None]
    head = element(
        "head",
        Html('<meta charset="utf-8">' + MARK),
        element("meta", http_equiv="Content-Security-Policy", content=POLICY),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("title", title(subject)),
        element("style", Html(_style())),
    )
    body = element(
        "body",
        element("main", headline(subject), *sections),
        element("footer", element("p", "Made by trainctl report from the run directory. This file loads nothing.")),
    )
    return joined([Html("<!doctype html>\n"), element("html", head, body, lang=language), Html("\n")], "")


def _style() -> str:
    return (files(__package__ or "") / "page.css").read_text(encoding="utf-8")
