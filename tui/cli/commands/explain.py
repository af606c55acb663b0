"""`trainctl explain CODE`: what a rule of the diagnosis tests, what the fault costs and what to do. Judges nothing.

The words are the rules' own; where a fault can be seen is looked up among the presets.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from trainctl.tui.cli.options import Json, Lang
from trainctl.tui.cli.output import GAP, SCHEMA, Cell, print_json, print_meant
from trainctl.tui.spoken import said
from trainctl.tui.words.language import in_language, speaking

if TYPE_CHECKING:
    from collections.abc import Iterable

    from trainctl.engine.diagnosis.explanation import Explanation, Named

LABEL_WIDTH = 16


def command(
    code: Annotated[str, typer.Argument(metavar="CODE", help="As a finding shows it: D101, or d101.")],
    as_json: Json = False,
    lang: Lang = None,
) -> None:
    """Say what a rule tests, with which threshold, what the fault costs and what to do about it."""
    with speaking(lang):
        _explain(code, lang, as_json=as_json)


def _explain(code: str, lang: str | None, *, as_json: bool) -> None:
    from trainctl.engine.diagnosis.explanation import explain, find_code

    found = find_code(code)
    if as_json:
        print_json(in_language(explanation_json(found), lang))
        return
    explanations, presets = explain(found), _presets_with(found)
    for index, one in enumerate(explanations):
        print_meant([*([()] if index else []), *_lines(one, presets)])


def explanation_json(code: str) -> dict[str, Any]:
    """The rules of a code as plain data."""
    from trainctl.engine.diagnosis.explanation import explain

    rules = [
        {**one.to_json(), "test": " ".join(map(said, one.test)), "try": [words for words, _ in _tries(one)]}
        for one in explain(code)
    ]
    return {"schema": SCHEMA, "code": code, "rules": rules, "presets": _presets_with(code)}


def _lines(one: Explanation, presets: list[str]) -> list[tuple[Cell, ...]]:
    rule = one.rule
    told = [
        ("judges", ", ".join(one.judges)),
        *_paragraphs("tests", one.test),
        ("needs", ", ".join(one.needs)),
        ("welcomes", ", ".join(one.welcomes)),
        ("told apart from", _names(one.rivals)),
        ("costs", one.costs),
        ("follows from", _names(one.follows_from)),
        ("leads to", _names(one.leads_to)),
        ("do", one.do),
        ("seen in", f"presets {', '.join(presets)}" if presets and not _is_of_logs(one) else ""),
    ]
    head = ((f"{rule.code} {rule.name}", str(rule.severity)), (f"   {rule.severity} · {rule.section}", "dim"))
    lines = [((f"  {label:<{LABEL_WIDTH}}", "dim"), (text, "")) for label, text in told if text]
    return [head, *lines, *_try_lines(_tries(one))]


def _try_lines(tries: list[tuple[str, str]]) -> list[tuple[Cell, ...]]:
    width = max(len(words) for words, _ in tries) + GAP
    labelled = _paragraphs("try", [words for words, _ in tries])
    return [
        ((f"  {label:<{LABEL_WIDTH}}", "dim"), (f"{words:<{width}}", ""), (why, "dim"))
        for (label, words), (_, why) in zip(labelled, tries, strict=True)
    ]


def _paragraphs(label: str, texts: Iterable[str]) -> list[tuple[str, str]]:
    return [(label if index == 0 else "", text) for index, text in enumerate(texts)]


def _names(others: Iterable[Named]) -> str:
    return ", ".join(f"{other.code} {other.name}" for other in others)


def _is_of_logs(one: Explanation) -> bool:
    from trainctl.engine.diagnosis.explanation import LOG

    return LOG in one.judges


def _tries(one: Explanation) -> list[tuple[str, str]]:
    """Command lines that ask the rule, and what each does."""
    from trainctl.engine.diagnosis.explanation import BEFORE, LOG, RECORDS
    from trainctl.tui.cli.commands.diagnose import Part

    part = next((part for part in Part if part.sections[0] == one.rule.section), None)
    only = f" --only {part}" if part else ""
    asks = {
        BEFORE: (f"trainctl diagnose{only}", "your configuration and data, before training"),
        RECORDS: ("trainctl diagnose RUN", "a run, alive, finished or crashed"),
        LOG: ("trainctl diagnose LOG", "the log of any tool"),
    }
    tries = [asks[word] for word in one.judges]
    return [
        *tries,
        ("trainctl diagnose ... --fix", "where a setting mends it: a preset with it"),
        (f"trainctl verify {one.rule.code}", "where a setting mends it: trains without and with it"),
    ]


def _presets_with(code: str) -> list[str]:
    """Presets of which it is known that the rule speaks."""
    from trainctl.engine.config.presets import load_preset, preset_names

    return [name for name in preset_names() if code in load_preset(name).about.findings]
