"""What the sources say in English, as templates: every message that reaches the user of the diagnosis's commands.

Reads the sources themselves (`ast`), so that a new message is known before anything prints it. Run as a program it
prints what the Chinese tables lack, ready to be translated, and what they have in vain:

    PYTHONPATH=tests/helpers python -m english
"""

from __future__ import annotations

import ast
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from english_sources import CARD, NOT_OURS, NOTES_ONLY, ROOT, SIZES, SOURCES, UNSAID, UNSAID_CALLS, ZH

from trainctl.engine.languages import tables

UNSAID_NAMES = {"HARMLESS"}
"""Constants that hold no messages."""
UNSAID_WORDS = {"ln", "python", "torch", "set"}
"""With no other word than these a text is a formula or a name."""
MOST = 8
"""Alternatives of one message; where it has more, its parts are entries of their own."""
_FIGURE_FORMAT = re.compile(r"[<>^]?[+,]?\d*,?(\.\d+)?[defg%,]")
_FIGURE_CALLS = {"len", "round", "int", "sum", "abs", "say"}
_FIELD = re.compile(r"\{[a-z_]+\}")
_COMMAND = re.compile(r"trainctl |pip install |--(only|checkpoint) \{")
_GAP = re.compile(r"\{#?\d+\}")
_STYLE = re.compile(r"\n    |^bold |\$[a-z]+-?\w*( |$)| italic$|^<|^ font-|^x=|\{ [a-z-]+: ")
"""Styles, style sheets, markup: no words."""
_MARK = re.compile(r"^[✓✗!·–?] ")


@dataclass(frozen=True)
class Gap:
    """A place of a message where a value stands."""

    is_figure: bool = False


Pieces = tuple["str | Gap", ...]


@cache
def messages(table: str) -> dict[str, str]:
    """Where each template of a table stands, `file:line`."""
    found: dict[str, str] = {}
    for path in _files(SOURCES[table]):
        name = path.relative_to(ROOT).as_posix()
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for line, template in _Module(tree, with_errors=table not in NOTES_ONLY).templates():
            found.setdefault(template, f"{name}:{line}")
    return found


def put_together() -> dict[str, dict[str, str]]:
    """Messages that no source has in one piece, by table, with where their pieces stand."""
    from trainctl.engine.diagnosis import finding
    from trainctl.engine.diagnosis.logs.evidence import UNJUDGED
    from trainctl.engine.diagnosis.logs.names import Kind
    from trainctl.tui.compare.comparison import OTHER_LOSSES, OTHER_TRAINING, OTHER_VALIDATION
    from trainctl.tui.listing.orders import VALUES

    heads = [f"{kind}: {{1}}" for kind in Kind if kind not in UNJUDGED and " " not in kind]
    reasons = (OTHER_LOSSES, OTHER_TRAINING, OTHER_VALIDATION)
    lines = ("training loss {1} -> {2}", "validation loss {1} -> {2}", "started  {1}")
    of_commands: dict[str, str] = dict.fromkeys(reasons, "tui/compare/comparison.py")
    of_commands |= dict.fromkeys(lines, "tui/compare/trial.py")
    rows = ("last val {1}", "last val {1} ema", "at epoch", "best {1}")
    ours = ("Change the current theme", "Save an SVG 'screenshot' of the current screen")
    figures = [f"{{#1}} {what}" for what in ("steps", "steps an epoch", "parameters", "training")]
    figures += ["{#1} validation samples", "learning rate cut", "val {1} {#2}", "loss {#1}", "best so far"]
    parts = [*figures, *(f"on {device}" for device in ("cpu", "cuda", "cuda:0", "mps"))]
    parts += [f"in {time}" for time in ("{#1} s", "{#1} min", "{#1} min {#2} s", "{#1} h", "{#1} h {#2} min")]
    judged = [f"{finding.Verdict.NOTHING}: {{1}}", f"{finding.Verdict.NOTHING}: {{1}}; not looked at: {{2}}"]
    judged += [f"{finding.Verdict.UNDECIDED}: {{1}}, {{2}}"]
    return {
        "logs": dict.fromkeys(heads, "engine/diagnosis/logs/names.py"),
        "command_line": of_commands,
        "compare": dict.fromkeys(rows, "tui/compare/comparison.py"),
        "events": dict.fromkeys(parts, "tui/words/events.py"),
        "ui": dict.fromkeys(judged, "tui/words/health.py")
        | dict.fromkeys(SIZES, "tui/words/hardware.py")
        | dict.fromkeys(
            [
                *ours,
                *(f"GPU{of} {what}" for of in ("", " {#1}") for what in CARD),
                *(f"by {column}" for column in VALUES),
            ],
            "Textual, tui/listing/orders.py",
        ),
    }


def rule_names() -> dict[str, str]:
    """Where each rule's name stands."""
    found: dict[str, str] = {}
    for path in _files(["engine/diagnosis/rules"]):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "rule":
                name = node.args[1]
                assert isinstance(name, ast.Constant)
                found.setdefault(str(name.value), f"{path.relative_to(ROOT)}:{node.lineno}")
    return found


def paragraphs() -> dict[str, str]:
    """Each paragraph of the explanations, with its rule and part."""
    from trainctl.engine.diagnosis.explanation import catalogue, explain

    found: dict[str, str] = {}
    for code in dict.fromkeys(rule.code for rule, _ in catalogue()):
        for one in explain(code):
            parts = [*(("test", text) for text in one.test), ("costs", one.costs), ("do", one.do)]
            for part, text in parts:
                if text:
                    found.setdefault(text, f"{code} {one.rule.name}, {part}")
    return found


def words() -> set[str]:
    """Single words that stand alone: names of sections, of kinds of figures, labels."""
    from trainctl.engine.diagnosis import catalogue, explanation, finding, scope
    from trainctl.engine.diagnosis.facts.evidence import Evidence
    from trainctl.engine.diagnosis.logs.names import Kind
    from trainctl.engine.diagnosis.logs.places import UNITS
    from trainctl.tui.compare.trial_verdict import Word

    enums = [*finding.Severity, *finding.Verdict, *finding.Confidence, *catalogue.Cost, *Kind, *Word]
    judged = [explanation.BEFORE, explanation.RECORDS, explanation.LOG]
    parts = [scope.COURSE, scope.VALIDATION, scope.METRICS, scope.GRADIENTS, scope.RATE]
    facts = set(Evidence.__dataclass_fields__) - {"missing"}
    units = {f"{unit}s" for unit in (*UNITS, "batch", "epoch")}
    found = [*facts, *units, *enums, *catalogue.SECTIONS, *explanation.EVIDENCE.values(), *judged, *parts, *LABELS]
    return {str(one) for one in found} | {one for one in (*_labels(), *_said_alone()) if one and " " not in one}


def _said_alone() -> Iterator[str]:
    """Single words that are said where they stand: `said("total")`."""
    for path in _files(SOURCES["ui"]):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and _called(node) == "said" and node.args:
                word = node.args[0]
                if isinstance(word, ast.Constant) and isinstance(word.value, str):
                    yield word.value


def _labels() -> Iterator[str]:
    """What the cockpit calls things: keys, panels, columns, states, units."""
    from textual.binding import Binding
    from textual.dom import DOMNode

    from trainctl.engine.runs.states import RunState
    from trainctl.tui import actions, panels
    from trainctl.tui.run.scene import Unit
    from trainctl.tui.screens import compare, replay, run_list, runs
    from trainctl.tui.screens.dialogs import explanation, help, runs_help
    from trainctl.tui.screens.jobs import data, diagnose, lr_finder
    from trainctl.tui.widgets.hardware import PHASES
    from trainctl.tui.widgets.run_rows import COLUMNS
    from trainctl.tui.words.runs import SYMBOLS
    from trainctl.tui.words.verdict import Severity

    yield from actions.Group
    yield from (action.label for action in actions.ACTIONS)
    yield from (entry.heading for entry in panels.PANELS)
    yield from (
        *COLUMNS,
        *PHASES,
        *compare.PAGES,
        *SYMBOLS,
        *RunState,
        *Severity,
        *Unit,
        *(key for key, _ in help.MOUSE),
    )
    pages: list[type[DOMNode]] = [
        *(compare.CompareScreen, run_list.RunList, runs.RunsScreen, runs_help.RunsHelp, explanation.ExplanationScreen),
        *(data.DataScreen, diagnose.DiagnoseScreen, lr_finder.LrFinderScreen, replay.ReplayScreen),
    ]
    for page in pages:
        for binding in page.BINDINGS:
            if isinstance(binding, Binding) and binding.show:
                yield binding.description
    yield from data.TITLES.values()


LABELS = (
    # tui/cli/commands/explain.py and rules.py, engine/diagnosis/report.py, tui/cli/verified.py: beside or above a text
    *("judges", "tests", "needs", "welcomes", "told apart from", "costs", "follows from", "leads to", "do", "seen in"),
    *("try", "code", "severity", "section", "cost", "name", "where", "why", "ruled out", "fix", "more:", "to step"),
    *("present", "fixed"),
    # tui/report: headings and heads of tables
    *("Curves", "Marks", "Findings", "Configuration", "Loss", "figure", "figures", "value", "option", "state"),
    *("verdict", "promise", "measured", "what", "when", "device", "packages", "seed", "time", "parameters", "run"),
    *("planned", "started"),
    # tui/widgets, tui/screens, tui/words: rows, marks, legends
    *("entropy", "val", "classes/batch", "positives/anchor", "deleted", "live", "ended", "starting", "play", "resume"),
    *(
        "suggested",
        "falls",
        "diverges",
        "configured",
        "mean",
        "std",
        "min",
        "max",
        "share",
        "newest",
        "train",
        "refused",
    ),
    *(
        "clip",
        "constant",
        "start",
        "plan",
        "colours",
        "Dark",
        "Light",
        "diagnose",
        "change",
        "recommended",
        "once",
        "findings",
    ),
    *("Keys", "Marks", "Filter", "texts", "Theme", "Screenshot", "loading", "finishing", "inverted"),
    # engine/diagnosis, engine/data: chosen and put into a sentence
    *("training", "tiles"),
)


class _Module:
    """The messages of one module."""

    def __init__(self, tree: ast.Module, *, with_errors: bool = True) -> None:
        self._tree = tree
        self._unsaid = UNSAID_CALLS if with_errors else UNSAID_CALLS | {"UserError"}
        self._parents = {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}
        self._constants = dict(_constants(tree))
        self._figures = set(_figures(tree))
        self._chosen = dict(_chosen(tree))
        self._extra: list[Pieces] = []

    def templates(self) -> Iterator[tuple[int, str]]:
        """Line and template of each."""
        for node in ast.walk(self._tree):
            if isinstance(node, ast.expr) and _is_text(node) and self._is_said(node):
                self._extra = []
                for pieces in [*self._expanded(node), *self._extra]:
                    template = normal(_written(pieces))
                    if _has_words(_written(pieces)) and template not in UNSAID:
                        yield node.lineno, template

    def _is_said(self, node: ast.expr) -> bool:
        """Whether it is a whole text and may be said: no docstring, no key, nothing that is compared."""
        parent = self._parents[node]
        if isinstance(parent, ast.expr) and _is_text(parent):
            return False
        if isinstance(parent, ast.FormattedValue):
            return parent.value is node
        if isinstance(parent, ast.Expr | ast.Compare | ast.Assert):
            return False
        if isinstance(parent, ast.Dict) and any(key is node for key in parent.keys):
            return False
        child: ast.AST = node
        while isinstance(parent, ast.expr | ast.keyword):
            if isinstance(parent, ast.Subscript):
                return False
            if isinstance(parent, ast.Call) and _called(parent) in self._unsaid:
                return False
            child, parent = parent, self._parents[parent]
        if isinstance(parent, ast.Assign) and {ast.unparse(target) for target in parent.targets} & UNSAID_NAMES:
            return False
        is_annotation = isinstance(parent, ast.arg) or (isinstance(parent, ast.AnnAssign) and parent.value is not child)
        return not is_annotation

    def _expanded(self, node: ast.expr) -> list[Pieces]:
        """What a text may be, one by one."""
        if isinstance(node, ast.Constant):
            return [tuple(_with_named_gaps(str(node.value)))] if isinstance(node.value, str) else [(Gap(),)]
        if isinstance(node, ast.Name) and node.id in self._constants:
            return [(self._constants[node.id],)]
        if isinstance(node, ast.JoinedStr):
            return self._in_a_row([self._value(part) for part in node.values])
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add) and _is_text(node):
            return self._in_a_row([self._expanded(node.left), self._expanded(node.right)])
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult) and _is_text(node):
            ending = node.left
            assert isinstance(ending, ast.Constant)
            return [(tables.PLURAL,)] if ending.value == "s" else self._optional([(str(ending.value),)])
        if isinstance(node, ast.IfExp) and _is_text(node):
            either, other = self._expanded(node.body), self._expanded(node.orelse)
            if ("",) in either or ("",) in other:
                return self._optional([one for one in (*either, *other) if one != ("",)])
            return [*either, *other]
        if isinstance(node, ast.BoolOp) and _is_text(node):
            return [one for value in node.values for one in self._expanded(value)]
        return [(Gap(),)]

    def _is_figure(self, part: ast.FormattedValue) -> bool:
        """Whether a value is printed as a figure, as far as the source tells."""
        if isinstance(part.format_spec, ast.JoinedStr):
            spec = "".join(str(one.value) if isinstance(one, ast.Constant) else "9" for one in part.format_spec.values)
            return bool(_FIGURE_FORMAT.fullmatch(spec))
        return _counts(part.value) or (isinstance(part.value, ast.Name) and part.value.id in self._figures)

    def _value(self, part: ast.expr) -> list[Pieces]:
        if not isinstance(part, ast.FormattedValue):
            return self._expanded(part)
        if isinstance(part.value, ast.Name) and part.value.id in self._chosen and part.format_spec is None:
            return self._expanded(self._chosen[part.value.id])
        is_text = _is_text(part.value) or (isinstance(part.value, ast.Name) and part.value.id in self._constants)
        return self._expanded(part.value) if is_text and part.format_spec is None else [(Gap(self._is_figure(part)),)]

    def _in_a_row(self, rows: list[list[Pieces]]) -> list[Pieces]:
        found: list[Pieces] = [()]
        for choices in rows:
            if len(found) * len(choices) > MOST:
                self._extra += choices
                choices = [(Gap(),)]
            found = [(*one, *other) for one in found for other in choices]
        return found

    def _optional(self, choices: list[Pieces]) -> list[Pieces]:
        """Something that may be left out: an entry of its own where it begins or ends with a separator."""
        if all(re.search(r"^[;,:.) ]|[ ;:,]$", _written(one)) for one in choices):
            self._extra += choices
            return [(Gap(),)]
        return [("",), *choices]


def _with_named_gaps(text: str) -> list[str | Gap]:
    """A text for `str.format`, with its fields as gaps."""
    first, *rest = _FIELD.split(text)
    return [first, *(piece for literal in rest for piece in (Gap(), literal))]


def normal(template: str) -> str:
    """A template without the separators at its edges: those are translated wherever something is joined.

    A space at its beginning stays: it marks an ending of other messages.
    """
    template = _MARK.sub("", template)
    if template.startswith(" (") and template.endswith(")") and template.count("(") == 1:
        template = template[2:-1]
    return re.sub(r"^[;,:] ", "", re.sub(r"[ ;,:]+$", "", re.sub(r"^  +", "", template)))


def _written(pieces: Pieces) -> str:
    written, number = "", 0
    for piece in pieces:
        if isinstance(piece, Gap):
            number += 1
        written += piece if isinstance(piece, str) else f"{{{'#' * piece.is_figure}{number}}}"
    return written


@cache
def _commands() -> set[str]:
    """Command lines that do what a key does: nobody translates them."""
    from trainctl.tui.actions import ACTIONS

    return {action.cli for action in ACTIONS}


def _has_words(template: str) -> bool:
    literal = _GAP.sub("\0", template)
    found = set(re.findall(r"[A-Za-z]{2,}", literal)) - UNSAID_WORDS
    is_code = _COMMAND.match(template.strip()) or _STYLE.search(template) or template in _commands()
    return bool(found) and " " in template and not is_code


def _is_text(node: ast.AST) -> bool:
    """Whether an expression is put together of texts."""
    if isinstance(node, ast.Constant):
        return isinstance(node.value, str)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
        return isinstance(node.left, ast.Constant) and isinstance(node.left.value, str)
    if isinstance(node, ast.BinOp):
        return isinstance(node.op, ast.Add) and (_is_text(node.left) or _is_text(node.right))
    if isinstance(node, ast.IfExp):
        return _is_text(node.body) or _is_text(node.orelse)
    if isinstance(node, ast.BoolOp):
        return isinstance(node.op, ast.Or) and any(map(_is_text, node.values))
    return isinstance(node, ast.JoinedStr)


def _called(node: ast.Call) -> str:
    return node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")


def _constants(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """Texts that have a name in the module."""
    for node in tree.body:
        if isinstance(node, ast.Assign):
            for target in node.targets:
                names = target.elts if isinstance(target, ast.Tuple) else [target]
                values = node.value.elts if isinstance(node.value, ast.Tuple) else [node.value]
                for name, value in zip(names, values, strict=False):
                    if isinstance(name, ast.Name) and isinstance(value, ast.Constant) and isinstance(value.value, str):
                        yield name.id, value.value


def _chosen(tree: ast.Module) -> Iterator[tuple[str, ast.expr]]:
    """Names that stand for one of two texts, at least one a single word, which no entry of its own can translate."""
    given: defaultdict[str, list[ast.expr]] = defaultdict(list)
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
            given[node.targets[0].id].append(node.value)
    for name, (value, *others) in given.items():
        arms = [value.body, value.orelse] if isinstance(value, ast.IfExp) else []
        words = [arm.value for arm in arms if isinstance(arm, ast.Constant) and isinstance(arm.value, str)]
        is_single = any(word and " " not in word for word in words) and all(words)
        if not others and is_single and all(map(_is_text, arms)):
            yield name, value


def _figures(tree: ast.Module) -> Iterator[str]:
    """Names that stand for a figure wherever the module gives them a value."""
    given: defaultdict[str, list[bool]] = defaultdict(list)
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign):
            for target in node.targets:
                is_row = isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple)
                names = target.elts if isinstance(target, ast.Tuple) else [target]
                values = node.value.elts if is_row and isinstance(node.value, ast.Tuple) else [node.value] * len(names)
                for name, value in zip(names, values, strict=False):
                    if isinstance(name, ast.Name):
                        given[name.id].append(_counts(value))
    stored = Counter(
        node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    )
    stored.update(node.arg for node in ast.walk(tree) if isinstance(node, ast.arg))
    yield from (name for name, counts in given.items() if all(counts) and len(counts) == stored[name])


def _counts(node: ast.expr) -> bool:
    """Whether an expression is a number: a constant, or a call that gives one."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub | ast.Mult):
        return _counts(node.left) or _counts(node.right)
    if isinstance(node, ast.Constant):
        return isinstance(node.value, int | float) and not isinstance(node.value, bool)
    return isinstance(node, ast.Call) and _called(node) in _FIGURE_CALLS


def _files(paths: Sequence[str]) -> Iterator[Path]:
    for path in map(ROOT.joinpath, paths):
        files = sorted(path.rglob("*.py")) if path.is_dir() else [path]
        yield from (file for file in files if file.relative_to(ROOT).as_posix() not in NOT_OURS)


def lacking(known: tables.Tables) -> dict[str, dict[str, str]]:
    """Table, and what it lacks, with where that stands."""
    wanted: dict[str, dict[str, str]] = {}
    seen: set[str] = set(known.phrases) | set(known.words)
    for table in SOURCES:
        found = messages(table) | put_together().get(table, {})
        wanted[table] = {template: where for template, where in found.items() if template not in seen}
        seen |= set(found)
    wanted["words"] = dict.fromkeys(sorted(words() - set(known.words)), "")
    wanted["names"] = {name: where for name, where in rule_names().items() if name not in known.names}
    wanted["explanations"] = {
        f"{tables.digest(text)}  {text}": where
        for text, where in paragraphs().items()
        if tables.digest(text) not in known.paragraphs
    }
    return {table: entries for table, entries in wanted.items() if entries}


def in_vain(known: tables.Tables) -> dict[str, list[str]]:
    """Table, and its entries that no source has any more."""
    said = {template for table in SOURCES for template in messages(table)}
    said |= {template for entries in put_together().values() for template in entries}
    asked: dict[str, tuple[dict[str, str], set[str]]] = {
        "phrases": (known.phrases, said),
        "words": (known.words, words()),
        "names": (known.names, set(rule_names())),
        "explanations": (known.paragraphs, {tables.digest(text) for text in paragraphs()}),
    }
    found = {table: sorted(set(entries) - wanted) for table, (entries, wanted) in asked.items()}
    return {table: entries for table, entries in found.items() if entries}


def lines(entries: dict[str, dict[str, str]], say: Callable[[str], str] = str) -> list[str]:
    """What is lacking as it is written into the tables, but for the translation."""
    found: list[str] = []
    for table, missing in entries.items():
        found.append(f"# ---- {table}.txt: {len(missing)}")
        for template, where in missing.items():
            edge = tables.EDGE if template.startswith(" ") else ""
            found.append(f"{edge}{say(template).lstrip(' ')}    # {where}" if where else template)
    return found


if __name__ == "__main__":
    import sys

    tables_now = tables.read_tables(ZH)
    sys.stdout.write("\n".join(lines(lacking(tables_now))) + f"\nin vain: {in_vain(tables_now)}\n")
