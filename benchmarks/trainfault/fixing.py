"""Trains what was found with the settings that `diagnose --fix` proposes, and says whether the result recovers.

Recovered: of a network that was worse, at least half of what was lost is back, or it is as good as usual, as it must be
where there was no result at all; of one that was misreported, what is reported is what it is, and it is not worse.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.trainfault.damage import Usual
from benchmarks.trainfault.trial import Result, Trial, read_result, run_trial
from benchmarks.trainfault.verdicts import Verdict
from trainctl.engine.diagnosis.finding import Finding, Severity
from trainctl.engine.errors import UserError
from trainctl.tui.health.fixed_preset import chosen_fixes

FIX, PROPOSAL = "fix", "proposal.json"


@dataclass(frozen=True)
class Proposal:
    """What `--fix` would set, and who says so."""

    settings: Mapping[str, Any]
    codes: tuple[str, ...]


def proposed(verdict: Verdict) -> Proposal | None:
    """The settings that are proposed before training, or from the records where nothing was found before; none: what is
    found is mended by no setting."""
    for path in ("preflight", "records"):
        found = [Finding.from_plain(each) for each in verdict.told[path]["findings"]]
        grave = [finding for finding in found if finding.severity is not Severity.INFO]
        if not grave:
            continue
        try:
            chosen = chosen_fixes(grave)
        except UserError:
            return None
        settings = {key: value for key, (value, _) in chosen.items()}
        return Proposal(settings, tuple(dict.fromkeys(finding.code for _, finding in chosen.values())))
    return None


def try_fix(verdict: Verdict, folder: Path) -> Result | None:
    """Train with what is proposed, unless that was done; none: nothing is proposed, or it does not fit."""
    proposal = proposed(verdict)
    if proposal is None:
        return None
    kept, place = folder / FIX / PROPOSAL, folder / FIX
    words = json.dumps({"settings": proposal.settings, "codes": proposal.codes})
    if kept.exists() and kept.read_text(encoding="utf-8") == words and (found := read_result(place)):
        return found
    (place / "result.json").unlink(missing_ok=True)
    try:
        result = run_trial(replace(verdict.trial, fix=proposal.settings), place)
    except (UserError, ValueError) as err:  # the options do not take it
        result = _unfit(verdict.trial, str(err))
        place.mkdir(exist_ok=True)
        result.write(place)
    kept.write_text(words, encoding="utf-8")
    return result


def read_fix(verdict: Verdict, folder: Path) -> tuple[Proposal, Result] | None:
    """A fix that was tried, under what is proposed now; none: it was not."""
    proposal, kept = proposed(verdict), folder / FIX / PROPOSAL
    result = read_result(folder / FIX)
    if proposal is None or result is None or not kept.exists():
        return None
    words = json.dumps({"settings": proposal.settings, "codes": proposal.codes})
    return (proposal, result) if kept.read_text(encoding="utf-8") == words else None


def recovers(usual: Usual, before: Result, after: Result) -> bool:
    """Whether a fix brings the result back."""
    if usual.is_worse(before):
        half = usual.loss(before) / 2 if math.isfinite(before.honest) else 0.0
        return usual.loss(after) <= max(half, usual.least_loss)
    return not usual.is_worse(after) and not usual.is_misreported(after)


def _unfit(trial: Trial, why: str) -> Result:
    nothing = float("nan")
    first = why.splitlines()[0] if why else ""
    return Result(trial.host, trial.case, trial.seed, trial.level, "refused", first, nothing, nothing, 0, 0.0)
