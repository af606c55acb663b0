"""Runs the benchmark of the diagnosis, or a part of it: `python -m benchmarks.trainfault [STAGE ...]`."""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.trainfault.fixing import try_fix
from benchmarks.trainfault.hosts import HOSTS
from benchmarks.trainfault.judging import PATHS, judge, read_judged
from benchmarks.trainfault.misses import misses
from benchmarks.trainfault.page import PAGE, page
from benchmarks.trainfault.plan import SEEDS, Selection, trials
from benchmarks.trainfault.rivalry import ask
from benchmarks.trainfault.rivals import Rivals
from benchmarks.trainfault.trial import read_result, run_trial
from benchmarks.trainfault.verdicts import collect

STAGES = ("train", "judge", "fix", "rivals", "report")


def main(argv: Sequence[str] | None = None) -> int:
    """Do the stages asked for, in their order."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.trainfault", description=__doc__)
    parser.add_argument("stages", nargs="*", metavar="STAGE", help=f"of {', '.join(STAGES)}; default: all")
    parser.add_argument("--results", type=Path, default=Path(".cache/trainfault"), help="folder of all that is kept")
    parser.add_argument("--hosts", nargs="+", choices=tuple(HOSTS), default=tuple(HOSTS))
    parser.add_argument("--cases", nargs="+", default=(), help="only cases whose name has one of these parts")
    parser.add_argument("--seeds", nargs="+", type=int, default=SEEDS)
    parser.add_argument("--again", action="store_true", help="judge what was judged before, under the rules of today")
    parser.add_argument("--quick", action="store_true", help="with --again: not anew while it trains")
    parser.add_argument("--misses", type=Path, help="after judging, write what went wrong into this file")
    parser.add_argument("--page", type=Path, default=PAGE, help="where the report goes")
    parser.add_argument("--severity", choices=("mild", "usual", "severe"), default="usual")
    asked = parser.parse_args(argv)
    unknown = set(asked.stages) - set(STAGES)
    if unknown:
        parser.error(f"no stage {', '.join(sorted(unknown))}")
    level = ("mild", "usual", "severe").index(asked.severity)
    selection = Selection(asked.results, asked.hosts, asked.cases, asked.seeds, level)
    for stage in STAGES:
        if stage in (asked.stages or STAGES):
            _do(stage, selection, asked)
    return 0


def _do(stage: str, selection: Selection, asked: argparse.Namespace) -> None:
    if stage == "train":
        train(selection)
    elif stage == "judge":
        judge_all(selection, is_again=asked.again, is_quick=asked.quick)
        if asked.misses is not None:
            asked.misses.write_text(misses(collect(selection), selection.root), encoding="utf-8")
    elif stage == "fix":
        fix_all(selection)
    elif stage == "rivals":
        ask_rivals(selection)
    elif stage == "report":
        asked.page.write_text(page(collect(selection), selection), encoding="utf-8")


def train(selection: Selection) -> None:
    """Train every trial that has no result yet."""
    waiting = [trial for trial in trials(selection) if read_result(trial.folder(selection.root)) is None]
    started = time.perf_counter()
    for count, trial in enumerate(waiting, 1):
        result = run_trial(trial, trial.folder(selection.root))
        what = f"{trial.host} {trial.case or 'as it is'} seed {trial.seed}"
        print(
            f"{count}/{len(waiting)} {time.perf_counter() - started:.0f} s  {what}: {result.state},"
            f" reported {result.reported:.4g}, honest {result.honest:.4g} {result.reason[:70]}",
            flush=True,
        )


def judge_all(selection: Selection, *, is_again: bool, is_quick: bool = False) -> None:
    """Ask the diagnosis of every trial that was trained."""
    trained = [(trial, folder) for trial in trials(selection) if read_result(folder := trial.folder(selection.root))]
    waiting = [(trial, folder) for trial, folder in trained if is_again or read_judged(folder) is None]
    started = time.perf_counter()
    for count, (trial, folder) in enumerate(waiting, 1):
        told = judge(trial, folder, is_quick=is_quick)
        said = {path: [each["code"] for each in told[path]["findings"] if each["severity"] != "info"] for path in PATHS}
        what = f"{trial.host} {trial.case or 'as it is'} seed {trial.seed}"
        print(f"{count}/{len(waiting)} {time.perf_counter() - started:.0f} s  {what}: {said}", flush=True)


def fix_all(selection: Selection) -> None:
    """Train every fault that harms, and has a setting proposed, with that setting."""
    for verdict in collect(selection).faults:
        result = try_fix(verdict, verdict.trial.folder(selection.root))
        if result is not None:
            what = f"{verdict.trial.host} {verdict.trial.case} seed {verdict.trial.seed}"
            print(f"{what}: {verdict.result.honest:.4g} -> {result.honest:.4g} {result.reason[:70]}", flush=True)


def ask_rivals(selection: Selection) -> None:
    """Ask the other tools that are installed of every training that counts."""
    found = collect(selection)
    with Rivals() as rivals:
        if not rivals.versions:
            print("no other tool is installed: see benchmarks/trainfault/rivals.py")
            return
        print(", ".join(f"{tool} {version}" for tool, version in rivals.versions.items()))
        for verdict in (*found.faults, *found.healthy):
            ask(rivals, verdict.trial.folder(selection.root))


if __name__ == "__main__":
    raise SystemExit(main())
