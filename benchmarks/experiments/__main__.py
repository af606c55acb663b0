"""Trains the experiments of one system, prints its tables and draws its plots. A finished run is not trained again.

    python -m benchmarks.experiments weld [--runs DIR] [--seeds 42 1 2] [--jobs 2] [--only NAME]

A system is a module of this package with two functions: `jobs(seeds)` names its experiments, each with a seed, and
`report(root, seeds, figures, data)` returns its tables as Markdown and draws its plots into a folder.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from importlib import import_module
from pathlib import Path

from benchmarks.experiments.runs import Experiment, Measured, found, last, train_all
from benchmarks.experiments.tables import markdown, spread
from trainctl.engine.errors import UserError

SYSTEMS = ("weld", "quality")
ROOT = Path(__file__).resolve().parents[2]
Job = tuple[Experiment, int]


def main(argv: Sequence[str] | None = None) -> None:
    """Train, print, draw."""
    options = _read(argv)
    system = import_module(f"benchmarks.experiments.{options.system}")
    jobs: list[Job] = [(replace(each, data=options.data), seed) for each, seed in system.jobs(options.seeds)]
    try:
        chosen = _only(jobs, options.only)
        train_all(chosen, options.runs, options.jobs)
        print(summary(chosen, options.runs) if options.only else system.report(*_where(options)))
    except (UserError, RuntimeError) as err:
        sys.exit(f"error: {err}")


def _read(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.experiments", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("system", choices=SYSTEMS)
    parser.add_argument("--runs", type=Path, default=ROOT / "bench-results" / "experiments", help="folder of the runs")
    parser.add_argument("--seeds", type=int, nargs="+", default=[42, 1, 2], help="seeds that are reported")
    parser.add_argument("--jobs", type=int, default=1, help="trainings at a time, of one thread each")
    parser.add_argument("--only", action="append", default=[], metavar="NAME", help="this experiment; may be repeated")
    parser.add_argument("--data", type=Path, help="one's own data in place of the built-in data")
    parser.add_argument("--figures", type=Path, default=ROOT / "docs" / "figures", help="folder of the plots")
    return parser.parse_args(argv)


def _where(options: argparse.Namespace) -> tuple[Path, list[int], Path, Path | None]:
    return options.runs, options.seeds, options.figures, options.data


def _only(jobs: Sequence[Job], names: Sequence[str]) -> list[Job]:
    known = sorted({experiment.name for experiment, _ in jobs})
    for name in names:
        if name not in known:
            raise UserError(f"no experiment {name}", f"there are {', '.join(known)}")
    return [job for job in jobs if not names or job[0].name in names]


def summary(jobs: Sequence[Job], root: Path) -> str:
    """Training loss and every metric after the last epoch, a row for each experiment."""
    experiments = {experiment.name: experiment for experiment, _ in jobs}
    runs = {
        name: found(root, experiment, [seed for other, seed in jobs if other == experiment])
        for name, experiment in experiments.items()
    }
    names = list(dict.fromkeys(metric for group in runs.values() for metric in group[0].summary.metrics))
    rows = [[name, str(len(group)), *_last_figures(group, names)] for name, group in runs.items()]
    return markdown(["experiment", "seeds", "training loss", *names], rows)


def _last_figures(runs: Sequence[Measured], names: Sequence[str]) -> list[str]:
    metrics = [[run.summary.metrics.get(name, float("nan")) for run in runs] for name in names]
    return [spread(values).text(3) for values in ([last(run.train()) for run in runs], *metrics)]


if __name__ == "__main__":
    main()
