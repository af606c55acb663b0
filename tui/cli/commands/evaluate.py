"""`trainctl evaluate`: how well a checkpoint does on data: figures, class by class, and sample by sample."""

from __future__ import annotations

import csv
import io
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from trainctl.tui.cli.options import (
    DEFAULT_RUNS_DIR,
    Checkpoint,
    Classes,
    Data,
    Device,
    GroupBy,
    Json,
    RunsDir,
    Set,
    SkipCorrupt,
    Trust,
    Weights,
    all_overrides,
    data_assignments,
    named_run,
)
from trainctl.tui.cli.output import SCHEMA, Cell, align, print_lines, say, say_json
from trainctl.tui.cli.past_run import trained_run

if TYPE_CHECKING:
    from trainctl.engine.tasks.classification import Answers
    from trainctl.engine.training.evaluate import Evaluation

SplitName = Annotated[
    str,
    typer.Option(
        "--split",
        metavar="train|val|test|all|SET",
        help="Samples: default all of --data, else what the run validates on. SET: a further validation set.",
        show_default=False,
    ),
]


def command(
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[RUN] [KEY=VALUE]...",
            help="Name, path, unique part of a name, or a checkpoint file (default: `latest`); overrides of the run's "
            "configuration, as with --set.",
            show_default=False,
        ),
    ] = None,
    data: Data = None,
    classes: Classes = None,
    group_by: GroupBy = None,
    skip_corrupt: SkipCorrupt = False,
    split: SplitName = "",
    errors: Annotated[
        Path | None,
        typer.Option("--errors", metavar="FILE.csv", help="Write file, truth, answer and loss of each, worst first."),
    ] = None,
    checkpoint: Checkpoint = "best",
    weights: Weights = "",
    sets: Set = None,
    device: Device = None,
    runs_dir: RunsDir = DEFAULT_RUNS_DIR,
    trust: Trust = False,
    json: Json = False,
) -> None:
    """Measure a checkpoint: on all of --data, or by default the best one on the samples it was chosen on."""
    run, positional = named_run(words or (), runs_dir)
    overrides = all_overrides(sets, positional, device) + data_assignments(group_by, classes, skip_corrupt)
    past, path = trained_run(run, runs_dir, checkpoint, weights, data=data, overrides=overrides, trust=trust)
    part = split or ("val" if data is None else "all")
    _check_errors_file(errors)

    from trainctl.engine.training.evaluate import evaluate

    found = evaluate(path, past.resolved, past.task_type, past.data, weights=weights, part=part)
    if errors is not None:
        _write_errors(errors, found)
    if json:
        say_json(_as_json(path, found))
        return
    _print(path, found, "the built-in data" if past.data is None else str(past.data))
    if errors is not None:
        say(f"wrote {errors}")


def _as_json(path: Path, found: Evaluation) -> dict[str, Any]:
    about = found.trained.about
    facts: dict[str, Any] = {"schema": SCHEMA, "checkpoint": path, "weights": found.trained.weights}
    facts |= {"epoch": about["epoch"], "step": about["step"], "split": found.part, "samples": found.num_samples}
    facts |= {"metrics": found.metrics, "notes": found.notes}
    return facts | _classes_as_json(found)


def _classes_as_json(found: Evaluation) -> dict[str, Any]:
    from trainctl.engine.tasks.classification import class_figures, confusion, threshold_curve

    answers = found.answers
    if answers is None:
        return {}
    table = confusion(answers, len(found.classes))
    facts: dict[str, Any] = {"confusion": {"classes": found.classes, "truth_by_answer": table}}
    facts["per_class"] = [asdict(figures) for figures in class_figures(table, found.classes)]
    if answers.positive is not None:
        curve, best = threshold_curve(answers.truth, answers.positive)
        facts["thresholds"] = {"best_f1": best and asdict(best), "curve": [asdict(cut) for cut in curve]}
    return facts


def _print(path: Path, found: Evaluation, where: str) -> None:
    about = found.trained.about
    whose = {"all": "all", "train": "the training part", "val": "the validation part", "test": "the test part"}
    say(f"{path}  {found.trained.weights} weights of epoch {about['epoch']}, step {about['step']}")
    say(f"{found.num_samples:,} samples, {whose.get(found.part, found.part)} of {where}")
    print_lines(align([[(name, ""), (f"{value:.6f}", "")] for name, value in found.metrics.items()], indent=2))
    if found.answers is not None:
        _print_classes(found.answers, found.classes)
    for note in found.notes:
        say(f"note: {note}")


def _print_classes(answers: Answers, classes: tuple[str, ...]) -> None:
    from trainctl.engine.tasks.classification import class_figures, confusion, threshold_curve

    table = confusion(answers, len(classes))
    rows: list[list[Cell]] = [[("", ""), *((name, "bold") for name in (*classes, "precision", "recall", "f1"))]]
    for figures, counts in zip(class_figures(table, classes), table.tolist(), strict=True):
        shown = [f"{count:,}" for count in counts]
        shown += [f"{value:.4f}" for value in (figures.precision, figures.recall, figures.f1)]
        rows.append([(figures.name, "bold"), *((text, "") for text in shown)])
    say("", "samples by truth (rows) and answer (columns)")
    print_lines(align(rows, indent=2))
    best = None if answers.positive is None else threshold_curve(answers.truth, answers.positive)[1]
    if best is not None:
        said = f"precision {best.precision:.4f}, recall {best.recall:.4f}"
        say(f"best F1 {best.f1:.4f} at threshold {best.threshold:.4f} ({said}); the table is cut at 0.5")


def _check_errors_file(path: Path | None) -> None:
    """Refuse what cannot be written before minutes are spent."""
    from trainctl.engine.errors import UserError

    if path is not None and path.exists():
        raise UserError(f"{path} exists", "name another file with --errors")
    if path is not None and not path.parent.is_dir():
        raise UserError(f"no folder {path.parent}", "make it, or name another file with --errors")


def _write_errors(path: Path, found: Evaluation) -> None:
    """Every sample, the largest loss first; a loss that is not a number above all."""
    from trainctl.engine.errors import UserError
    from trainctl.engine.runs.atomic import write_atomic

    if found.samples is None:
        raise UserError("this task does not say how bad a sample is", "define sample_losses, or leave out --errors")
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["file", "truth", "answer", "loss"])
    for sample in sorted(found.samples, key=lambda sample: (sample.loss == sample.loss, -sample.loss)):
        writer.writerow([sample.name, sample.truth, sample.answer, f"{sample.loss:.6g}"])
    write_atomic(path, text.getvalue().encode("utf-8", "surrogateescape"))
