"""The configuration of the runs: of one where each value comes from, of several in what they differ."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, cast

from trainctl.engine.config.yamlfile import format_value
from trainctl.tui.compare.comparison import config_rows
from trainctl.tui.report.figures import compare_table
from trainctl.tui.report.html import Html, element, pairs, section, table
from trainctl.tui.report.subject import PageSubject, RunSubject

DEFAULT = "default"
MOST_LETTERS = 200
"""Of a value: a list of a thousand paths is nobody's to read here."""


def configuration(subject: PageSubject) -> Html:
    """The part of the page."""
    parts = list(_of_one(subject.runs[0]) if subject.is_one else _of_several(subject))
    for run in subject.runs:
        if run.facts.interventions:
            name = "" if subject.is_one else f": {run.name}"
            parts.append(element("h3", f"Changed by hand while it ran{name}"))
            parts.append(element("ul", *(element("li", words) for words in run.facts.interventions)))
    return section("configuration", "Configuration", *parts)


def _of_one(run: RunSubject) -> Iterator[Html]:
    values = run.facts.config
    if values is None:
        yield element("p", "There is no configuration that can be read.")
        return
    sources = _sources(run.document)
    chosen = [name for name in values if sources.get(name, "") not in (DEFAULT, "")] if sources else list(values)
    rest = [name for name in values if name not in set(chosen)]
    shown = chosen or rest
    yield _table(shown, values, sources, label="values that were chosen")
    if chosen and rest:
        head = element("summary", f"{len(rest)} more at their defaults")
        yield element("details", head, _table(rest, values, {}, label="defaults"))


def _table(names: list[str], values: Mapping[str, Any], sources: Mapping[str, str], *, label: str) -> Html:
    if not any(sources.get(name) for name in names):
        return pairs(((name, _value(values[name])) for name in names), "columns")
    rows = [[name, _value(values[name]), sources.get(name, "")] for name in names]
    return table(["option", "value", "from"], rows, label=label, class_="options")


def _value(value: Any) -> Html:
    words = format_value(value)
    return element("code", words if len(words) <= MOST_LETTERS else f"{words[:MOST_LETTERS]}…")


def _sources(document: Mapping[str, Any]) -> Mapping[str, str]:
    history = document.get("provenance")
    found = cast("Mapping[str, Any]", history).get("sources") if isinstance(history, Mapping) else None
    return {str(k): str(v) for k, v in cast("Mapping[Any, Any]", found).items()} if isinstance(found, Mapping) else {}


def _of_several(subject: PageSubject) -> Iterator[Html]:
    rows, names = config_rows(subject.facts), [run.name for run in subject.runs]
    known = [run for run in subject.runs if run.facts.config is not None]
    if rows:
        yield compare_table("option", rows, names, label="difference of configuration")
        yield element("p", "Only what differs is shown.", class_="aside")
    elif len(known) == len(names):
        yield element("p", "Nothing differs.")
    missing = [run.name for run in subject.runs if run.facts.config is None]
    if missing:
        yield element("p", f"No readable config.yaml: {', '.join(missing)}.", class_="aside")
