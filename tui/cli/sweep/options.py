"""The options of `trainctl sweep`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from trainctl.tui.cli.options import DEFAULT_RUNS_DIR, ConfigurationOptions, Json, Lang, RunsDir, all_overrides
from trainctl.tui.cli.sweep.course import Direction
from trainctl.tui.cli.sweep.study import Pruner, Sampler


@dataclass(frozen=True)
class SweepOptions(ConfigurationOptions):
    """What can be said."""

    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[status [STUDY]] [KEY=VALUE]...",
            help="Overrides, as with --set. `status`: only say how a study stands.",
            show_default=False,
        ),
    ] = None
    space: Annotated[
        Path | None,
        typer.Option(
            "--space",
            metavar="FILE",
            help="What is varied: YAML, KEY: {low, high, log, step, int} or KEY: {choices: [...]} a line.",
        ),
    ] = None
    trials: Annotated[
        int, typer.Option("--trials", "-n", min=1, metavar="N", help="Trials of the study, all workers together.")
    ] = 20
    name: Annotated[
        str | None,
        typer.Option("--name", metavar="STUDY", help="Name of the study; default: after the preset and the file."),
    ] = None
    metric: Annotated[
        str, typer.Option("--metric", "-m", metavar="NAME", help="Validation metric; default: the monitored one.")
    ] = ""
    direction: Annotated[
        Direction | None,
        typer.Option("--direction", help="Whether more or less of it is better; default: as its run or name says."),
    ] = None
    sampler: Annotated[Sampler, typer.Option("--sampler", help="How values are chosen.")] = Sampler.TPE
    pruner: Annotated[Pruner, typer.Option("--pruner", help="Which trials are ended early.")] = Pruner.MEDIAN
    seed: Annotated[int, typer.Option("--seed", min=0, max=2**31, metavar="N", help="Seed of the sampler.")] = 0
    write_best: Annotated[
        Path | None, typer.Option("--write-best", metavar="FILE.yaml", help="Write the best as a preset at the end.")
    ] = None
    runs_dir: RunsDir = DEFAULT_RUNS_DIR
    json: Json = False
    lang: Lang = None

    @property
    def assignments(self) -> list[str]:
        """As in the base class; the arguments come after --set."""
        return all_overrides(self.sets, self.words, self.device) + self.data_assignments
