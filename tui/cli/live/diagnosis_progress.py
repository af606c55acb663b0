"""What a diagnosis says on its way, a JSON line each on standard error, for a program that shows it as it comes.

```
{"event": "work", "part": "sampler"}                                    what is measured now
{"event": "section", "section": "data", "line": [["✓ ", "ok"], ...]}    a section is judged: its line of the report
{"event": "report", "title": "...", "report": {...}}                    the end: everything that `--json` has, and more
```

Knows the words of a report, no rule. Never writes to standard output.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Collection
from typing import Any

from trainctl.engine.diagnosis.catalogue import all_rules
from trainctl.engine.diagnosis.differential import diagnose
from trainctl.engine.diagnosis.facts.evidence import Evidence
from trainctl.engine.diagnosis.finding import Report
from trainctl.engine.diagnosis.report import section_lines
from trainctl.tui.plain import escaped_json

MEASURED = ("labels", "sampler", "schedule", "data", "overlap", "batch", "trial", "relation", "metric", "reach")
"""Parts of the evidence that a preflight gathers, in its order."""


class Progress:
    """Says a section as soon as all it is judged by is there.

    Args:
        sections: that were asked for.
    """

    def __init__(self, sections: Collection[str]) -> None:
        self._waiting = list(sections)

    def tell(self, evidence: Evidence, part: str) -> None:
        """As `preflight.gather` tells: work on `part` begins; the empty text: the evidence is complete."""
        to_come = MEASURED[MEASURED.index(part) :] if part in MEASURED else MEASURED if part else ()
        for section in [name for name in self._waiting if _parts(name).isdisjoint(to_come)]:
            self._waiting.remove(section)
            self._say_section(section, evidence)
        if part:
            _say(event="work", part=part)

    def finish(self, title: str, report: Report, evidence: Evidence) -> None:
        """Say the sections that are left, then the report."""
        self.tell(evidence, "")
        _say(event="report", title=title, report=report.to_plain())

    def _say_section(self, section: str, evidence: Evidence) -> None:
        report = diagnose(evidence, sections=(section,))
        for line in section_lines(report, evidence, (section,)):
            _say(event="section", section=section, line=line)


def _parts(section: str) -> set[str]:
    """Parts of the evidence that decide what stands in a section's line."""
    rules = [rule for rule in all_rules().values() if rule.section == section]
    own = {"data", "sampler", "labels"} & {section}
    of_network = {"batch"} if section in ("model", "gradient flow", "loss") else set[str]()
    return {part for rule in rules for part in (*rule.needs, *rule.welcomes)} | own | of_network


def _say(**values: Any) -> None:
    sys.stderr.write(escaped_json(json.dumps(values, ensure_ascii=False)) + "\n")
    sys.stderr.flush()
