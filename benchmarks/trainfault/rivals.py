"""What five other tools say of a log: runmedic, trainspotter, runwise, training-doctor and trainproof.

They run in a process of their own, one for many logs, under the interpreter that `TRAINFAULT_RIVALS_PYTHON` names,
else this one; what is not installed there is left out. How each is asked stands in `rival_worker.py`, what its labels
make plausible in `rival_labels.py`.

    RIVALS/bin/pip install -c constraints.txt runmedic runwise training-doctor trainproof trainspotter
"""

from __future__ import annotations

import atexit
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any, Self

from benchmarks.trainfault.rival_input import prepare
from benchmarks.trainfault.rival_labels import Families, plausible

PYTHON = "TRAINFAULT_RIVALS_PYTHON"
WORKER = Path(__file__).with_name("rival_worker.py")
LIMIT_S = 120.0
"""For one tool and one log: training-doctor's time grows with the square of the rows, 2,000 take it seven seconds."""


class Grade(StrEnum):
    """How grave a label is, whatever the tool's own word."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"
    UNJUDGED = "unjudged"
    """It says that it could not judge, or failed."""


GRADES: Mapping[str, Grade] = {
    "critical": Grade.ERROR,
    "error": Grade.ERROR,
    "FAIL": Grade.ERROR,
    "warning": Grade.WARNING,
    "WARN": Grade.WARNING,
    "info": Grade.INFO,
    "INFO": Grade.INFO,
    "weak": Grade.INFO,
    "NOT-CHECKED": Grade.UNJUDGED,
}
"""By the words of the tools."""
CANNOT_JUDGE = frozenset({"TP-NO-LOSS", "TP-NO-RECORDS", "TP-NOT-CHECKED"})
"""Labels by which trainproof says that a log holds nothing that it reads."""
NO_LABEL = frozenset({"TP-PASS"})


@dataclass(frozen=True)
class Label:
    """One thing that a tool says of a log."""

    tool: str
    code: str
    """As the tool calls it; where it could not judge, why."""
    grade: Grade

    @property
    def is_alarm(self) -> bool:
        """Whether somebody is to be worried by it."""
        return self.grade in (Grade.ERROR, Grade.WARNING)

    @property
    def families(self) -> Families:
        """The kinds of faults that it makes plausible."""
        return frozenset() if self.grade is Grade.UNJUDGED else plausible(self.tool, self.code)


class Rivals:
    """The tools, ready to be asked. A process runs until it is closed.

    Args:
        python: interpreter that has them; empty: as the environment names it, else this one.
        limit_s: after which a tool has no answer to a log, in seconds.

    Attributes:
        versions: of what is installed, by name.
    """

    def __init__(self, python: str = "", limit_s: float = LIMIT_S) -> None:
        self.limit_s = limit_s
        # Without a fixed seed training-doctor takes the step, of several columns that could be it, by chance.
        surroundings = os.environ | {"PYTHONHASHSEED": "0", "NO_COLOR": "1", "PYTHONIOENCODING": "utf-8"}
        self._worker = subprocess.Popen(
            [python or os.environ.get(PYTHON) or sys.executable, str(WORKER)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            encoding="utf-8",
            env=surroundings,
        )
        self.versions: dict[str, str] = self._next()

    def judge(self, csv: Path, jsonl: Path) -> dict[str, list[Label]]:
        """What each tool says, by name; nothing: it finds nothing wrong.

        Args:
            csv: with the names that all of them know, as `prepare` writes it.
            jsonl: the same as JSON lines; each tool gets what it reads best.

        Raises:
            RuntimeError: the process has ended.
        """
        assert self._worker.stdin is not None
        request = {"log": {"csv": str(csv), "jsonl": str(jsonl)}, "limit_s": self.limit_s}
        self._worker.stdin.write(json.dumps(request) + "\n")
        self._worker.stdin.flush()
        return {tool: _labels(tool, answer) for tool, answer in self._next().items()}

    def judge_log(self, log: Path) -> dict[str, list[Label]]:
        """What each tool says of a log of any format that our own readers know.

        Raises:
            UserError: they do not.
        """
        with TemporaryDirectory() as folder:
            return self.judge(*prepare(log, Path(folder)))

    def close(self) -> None:
        """End the process."""
        if self._worker.stdin is not None:
            self._worker.stdin.close()
        self._worker.wait()
        if self._worker.stdout is not None:
            self._worker.stdout.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _next(self) -> dict[str, Any]:
        assert self._worker.stdout is not None
        line = self._worker.stdout.readline()
        if not line:
            raise RuntimeError("the process of the rival tools has ended")
        return json.loads(line)


def _labels(tool: str, answer: list[list[str]] | str) -> list[Label]:
    if isinstance(answer, str):
        return [Label(tool, answer, Grade.UNJUDGED)]
    return [Label(tool, code, _grade(code, word)) for code, word in answer if code not in NO_LABEL]


def _grade(code: str, word: str) -> Grade:
    return Grade.UNJUDGED if code in CANNOT_JUDGE else GRADES[word]


@cache
def _shared() -> Rivals:
    rivals = Rivals()
    atexit.register(rivals.close)
    return rivals


def installed() -> dict[str, str]:
    """The version of each tool that there is."""
    return _shared().versions


def judge(csv: Path, jsonl: Path) -> dict[str, list[Label]]:
    """As `Rivals.judge`, by one process for the whole of this one."""
    return _shared().judge(csv, jsonl)
