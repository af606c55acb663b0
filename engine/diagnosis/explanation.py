"""What a rule is, in words: its evidence, its threshold, its rivals, what it costs and what to do. Text and plain data.

The words are the docstring of the rule's own function, so that there is one place for them:

```
Statistic and threshold, in one paragraph or several.

Costs: what the fault does to the training.
Do: what to do about it.
Follows from: N901, D101.       codes of which a finding may be a mere consequence (`because` of its hits)
```
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from trainctl.engine.config.fields import nearest
from trainctl.engine.diagnosis.catalogue import Cost, Rule, all_rules
from trainctl.engine.errors import UserError

BEFORE, RECORDS, LOG = "before training", "records", "log"
"""What a rule can judge."""
EVIDENCE = {
    "data": "the data",
    "overlap": "what the splits share",
    "labels": "classes and their counts",
    "sampler": "batches of the sampler",
    "plan": "the configuration",
    "batch": "one batch through a copy of the network",
    "contrast": "a contrastive loss and its embedding",
    "clusters": "a mixture and its posteriors",
    "scores": "the validations' rank correlation",
    "monitor": "the monitored metric",
    "gates": "gates and saturating modules",
    "terms": "the recorded loss terms",
    "records": "the records of a run",
    "course": "the course of a run",
    "norms": "the gradient norm of every step",
    "beginning": "the first steps of the run",
    "waits": "what each step waited for its batch",
    "pace": "what each of several processes took for its part of a step",
    "ending": "the training loss by quarters of the run",
    "foreign": "what was seen of a loop that is not trainctl's own",
    "schedule": "the learning rate as it is planned",
    "trial": "the first few steps on a copy",
    "reach": "the whole plan in a few large steps on a copy",
    "attempt": "steps and a validation, tried for their errors",
    "relation": "what a simple learner makes of some samples",
    "metric": "the monitored metric of untrained networks",
    "reference": "a run or log that is known to be good (--against)",
    "log": "the course of a training: a log, or what a run recorded of it",
}
"""Words for the parts of the evidence."""
_ONLY_RECORDED = {"scores", "monitor", "terms", "records", "norms", "waits", "pace", "ending", "beginning", "foreign"}
_NOT_RECORDED = {"data", "batch", "relation", "metric", "schedule", "trial", "reach", "attempt"}
_ONLY_BEFORE = {"D111", "L203", "Q504"}
"""Rules on what the records hold too, but on a side of it that they do not have."""
_LABEL = re.compile(r"^(Costs|Do|Follows from): ", re.MULTILINE)
_CODE = re.compile(r"[A-Z]\d+")


@dataclass(frozen=True)
class Named:
    """Another rule."""

    code: str
    name: str


@dataclass(frozen=True)
class Explanation:
    """One rule in words."""

    rule: Rule
    judges: tuple[str, ...]
    """Of `before training`, `records`, `log`."""
    test: tuple[str, ...]
    """Statistic and threshold, by paragraph."""
    costs: str
    """What the fault does; empty: the rule does not say."""
    do: str
    """What to do about it."""
    rivals: tuple[Named, ...]
    """Other causes of the same symptom: where they were checked and are clean, a finding says so."""
    follows_from: tuple[Named, ...]
    """Causes of which a finding may be a mere consequence."""
    leads_to: tuple[Named, ...]
    """Findings that may be mere consequences of this one."""

    @property
    def needs(self) -> tuple[str, ...]:
        """Evidence without which it cannot be asked, in words."""
        return tuple(EVIDENCE.get(part, part) for part in self.rule.needs)

    @property
    def welcomes(self) -> tuple[str, ...]:
        """Evidence that it uses where there is some, in words."""
        return tuple(EVIDENCE.get(part, part) for part in self.rule.welcomes)

    def in_words(self, say: Callable[[str], str] = str) -> str:
        """All of it but the evidence and the other rules, as one plain text; `say` is how each English text is said."""
        labelled = [("What it costs", self.costs), ("What to do", self.do)]
        return " ".join([*map(say, self.test), *(f"{say(label)}: {say(text)}" for label, text in labelled if text)])

    def to_json(self) -> dict[str, Any]:
        """Plain data for `--json`."""
        return {
            **summary_of(self.rule, self.judges),
            "needs": list(self.needs),
            "welcomes": list(self.welcomes),
            "test": " ".join(self.test),
            "told_apart_from": [vars(other) for other in self.rivals],
            "costs": self.costs,
            "follows_from": [vars(other) for other in self.follows_from],
            "leads_to": [vars(other) for other in self.leads_to],
            "do": self.do,
        }


def catalogue() -> list[tuple[Rule, tuple[str, ...]]]:
    """Every rule with what it judges, in the order of the codes. A code may be of two: one for runs, one for logs."""
    found = [(rule, _judges(rule)) for rule in all_rules().values()]
    found += [(rule, (RECORDS, LOG)) for rule in all_rules(of_log=True).values()]
    return sorted(found, key=lambda entry: (entry[0].code[0], int(entry[0].code[1:])))


def _judges(rule: Rule) -> tuple[str, ...]:
    needs, either = set(rule.needs), set(rule.welcomes) - {"plan"}
    is_early = rule.cost is not Cost.RECORDS and not needs & _ONLY_RECORDED
    is_late = rule.code not in _ONLY_BEFORE and not needs & _NOT_RECORDED and bool(needs or either - _NOT_RECORDED)
    return tuple(word for word, holds in ((BEFORE, is_early), (RECORDS, is_late)) if holds)


def find_code(written: str) -> str:
    """The code that is meant, in upper or lower case.

    Raises:
        UserError: there is no such code; names the nearest.
    """
    known = sorted({rule.code: rule.name for rule, _ in catalogue()}.items())
    code = written.strip().upper()
    if code in dict(known):
        return code
    near = _nearest(written.strip(), dict(known))
    hint = f"did you mean {near}?" if near else "`trainctl rules` lists them"
    raise UserError(f"no rule has the code {written!r}", hint)


def _nearest(written: str, known: Mapping[str, str]) -> str:
    """The nearest code with its name: by the words of the name, else by its spelling."""
    by_name = {name: code for code, name in known.items()}
    name = next((name for name in by_name if len(written) > 3 and written.lower() in name), None)
    code = by_name[name] if name else nearest(written.upper(), list(known))
    return f"{code} {known[code]}" if code else ""


def explain(code: str) -> list[Explanation]:
    """What the rules of a code are: one, or one for runs and one for logs."""
    rules = catalogue()
    names = {rule.code: rule.name for rule, _ in reversed(rules)}

    def named(codes: Iterable[str]) -> tuple[Named, ...]:
        return tuple(Named(other, names[other]) for other in codes if other in names)

    following = dict.fromkeys(rule.code for rule, _ in rules if code in _read(rule)[3] and rule.code != code)
    found: list[Explanation] = []
    for rule, judges in rules:
        if rule.code == code:
            test, costs, do, causes = _read(rule)
            others = named(rule.rivals), named(causes), named(following)
            found.append(Explanation(rule, judges, test, costs, do, *others))
    return found


def explain_one(code: str, *, of_log: bool) -> Explanation:
    """What the rule of a code is that judges logs, or runs; where there is one only, that."""
    found = explain(code)
    return next((one for one in found if (LOG in one.judges) is of_log), found[0])


@cache
def _read(rule: Rule) -> tuple[tuple[str, ...], str, str, tuple[str, ...]]:
    """Of a rule's docstring: what it tests, what the fault costs, what to do, what it may follow from."""
    test, _, rest = (inspect.getdoc(rule.judge) or "").partition("\n\nCosts: ")
    said = {label: " ".join(text.split()) for label, text in zip(*_labelled(f"Costs: {rest}"), strict=True)}
    paragraphs = tuple(" ".join(text.split()) for text in test.split("\n\n"))
    return paragraphs, said.get("Costs", ""), said.get("Do", ""), tuple(_CODE.findall(said.get("Follows from", "")))


def _labelled(text: str) -> tuple[list[str], list[str]]:
    """The labels of a text, and what stands behind each."""
    _, *pieces = _LABEL.split(text)
    return pieces[::2], pieces[1::2]


def summary_of(rule: Rule, judges: Iterable[str]) -> dict[str, Any]:
    """One line of the catalogue as plain data."""
    return {
        "code": rule.code,
        "name": rule.name,
        "section": rule.section,
        "severity": str(rule.severity),
        "cost": str(rule.cost),
        "judges": list(judges),
    }
