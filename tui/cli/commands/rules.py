"""`trainctl rules`: the table of the rules of the diagnosis. Judges nothing."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from trainctl.tui.cli.options import Json, Lang
from trainctl.tui.cli.output import SCHEMA, Cell, align, print_json, print_lines
from trainctl.tui.words.language import in_language, speaking
from trainctl.tui.words.styles import TERMINAL

if TYPE_CHECKING:
    from trainctl.engine.diagnosis.catalogue import Rule


def command(as_json: Json = False, lang: Lang = None) -> None:
    """List every rule of the diagnosis: what it judges, its usual severity, the cheapest evidence it can live on."""
    with speaking(lang):
        _list(lang, as_json=as_json)


def _list(lang: str | None, *, as_json: bool) -> None:
    from trainctl.engine.diagnosis.explanation import catalogue, summary_of

    rules = catalogue()
    sections = _by_section([rule for rule, _ in rules])
    if as_json:
        listed = [summary_of(rule, judges) for rule, judges in rules]
        print_json(in_language({"schema": SCHEMA, "rules": listed, "sections": sections}, lang))
        return
    head: list[Cell] = [(word, "bold") for word in ("code", "severity", "section", "cost", "judges", "name")]
    rows = [_row(rule, judges) for rule, judges in rules]
    print_lines(align([head, *rows]))
    codes = len({rule.code for rule, _ in rules})
    counts = ", ".join(f"{name} {count}" for name, count in sections.items())
    print_lines([[], [(f"{len(rows)} rules of {codes} codes: {counts}", "")], [("more: trainctl explain CODE", "dim")]])


def _row(rule: Rule, judges: tuple[str, ...]) -> list[Cell]:
    return [
        (rule.code, "bold"),
        (str(rule.severity), TERMINAL.get(str(rule.severity), "")),
        (rule.section, ""),
        (str(rule.cost), "dim"),
        (", ".join(judges), ""),
        (rule.name, ""),
    ]


def _by_section(rules: list[Rule]) -> dict[str, int]:
    """Number of rules of each section that has any, in the order of a report."""
    from trainctl.engine.diagnosis.catalogue import SECTIONS

    counts = Counter(rule.section for rule in rules)
    return {name: counts[name] for name in SECTIONS if counts[name]}
