"""Asks `trainctl diagnose --json` and reads the answer. Knows no task."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.experiments.runs import TRAINCTL, environment

ANSWERED = (0, 3)
"""Exit codes with an answer: nothing wrong, or an error found."""


@dataclass(frozen=True)
class Diagnosis:
    """What was found."""

    verdict: str
    primary: str
    """Code of the primary cause; empty where there is none."""
    severity: str
    others: tuple[str, ...]
    ruled_out: tuple[str, ...]
    why: str


def diagnose(words: Sequence[str]) -> Diagnosis:
    """The findings of a run, or of options as `trainctl diagnose` takes them.

    Raises:
        RuntimeError: it gave no answer; the message is what it said.
    """
    command = [sys.executable, "-m", TRAINCTL, "diagnose", *words, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment(), check=False)
    if done.returncode not in ANSWERED:
        raise RuntimeError(f"trainctl diagnose {' '.join(words)} ended with {done.returncode}: {done.stderr.strip()}")
    return read(json.loads(done.stdout))


def read(report: dict[str, Any]) -> Diagnosis:
    """The findings of a report."""
    primary: dict[str, Any] = next((each for each in report["findings"] if each["primary"]), {})
    others = tuple(each["code"] for each in report["findings"] if each is not primary)
    return Diagnosis(
        report["verdict"],
        primary.get("code", ""),
        primary.get("severity", ""),
        others,
        tuple(primary.get("ruled_out", ())),
        primary.get("why", ""),
    )
