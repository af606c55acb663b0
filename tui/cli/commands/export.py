"""`trainctl export`: writes the records of a run, or its trained network, in a format that other programs read."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from trainctl.engine.errors import UserError
from trainctl.engine.files import is_file, is_there
from trainctl.engine.importing.passing import Passing
from trainctl.engine.runs.export.export import ExportFormat, export_run
from trainctl.engine.runs.index import find_run
from trainctl.tui.cli.options import DEFAULT_RUNS_DIR, Checkpoint, Json, RunsDir, Trust, Weights
from trainctl.tui.cli.output import SCHEMA, print_json, say
from trainctl.tui.cli.past_run import checkpoint_of_run, trained_run
from trainctl.tui.run.names import short_names

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from trainctl.engine.runs.layout import RunPaths


class Format(StrEnum):
    """What `--to` may ask for: the formats of the records, and that of the network."""

    CSV = ExportFormat.CSV
    JSONL = ExportFormat.JSONL
    PARQUET = ExportFormat.PARQUET
    TENSORBOARD = ExportFormat.TENSORBOARD
    TRACKIO = ExportFormat.TRACKIO
    ONNX = "onnx"
    STATE_DICT = "state_dict"
    SAFETENSORS = "safetensors"
    CHECKPOINT = "checkpoint"


SUFFIXES = {Format.STATE_DICT: "pt", Format.TRACKIO: "db", Format.CHECKPOINT: "pth"}
"""Endings of files that are not called as their format is."""


def command(
    run: Annotated[
        str, typer.Argument(metavar="[RUN]", help="Name or part of it, path, `latest`, or a log of another tool.")
    ] = "latest",
    to: Annotated[
        Format, typer.Option("--to", help="onnx, state_dict, safetensors, checkpoint: the network; else the records.")
    ] = Format.CSV,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="PATH", help="File, or folder for TensorBoard; default: the run's name."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace files that exist.")] = False,
    checkpoint: Checkpoint = "best",
    weights: Weights = "",
    runs_dir: RunsDir = DEFAULT_RUNS_DIR,
    trust: Trust = False,
    json: Json = False,
) -> None:
    """Write every step of a run, its validations and hardware as CSV, JSON lines, Parquet, TensorBoard or for trackio.

    With --to onnx write the trained network instead, checked against torch; with --to state_dict or safetensors its
    weights alone; with --to checkpoint a checkpoint as one file, also where several processes wrote it in parts.
    """
    if to is not Format.TENSORBOARD and out is not None and is_there(out) and not is_file(out):
        raise UserError(f"{out} is no file", "name one with --out")  # --force would replace a device as well
    if to is Format.ONNX:
        done = _export_network(run, runs_dir, checkpoint, weights, out, overwrite=force, trust=trust)
    elif to in (Format.STATE_DICT, Format.SAFETENSORS):
        done = _export_weights(run, runs_dir, checkpoint, weights, out, to, overwrite=force)
    elif to is Format.CHECKPOINT:
        done = _export_checkpoint(run, runs_dir, checkpoint, weights, out, overwrite=force)
    else:
        _refuse_network_options(to, checkpoint, weights)
        done = _export_records(run, runs_dir, out, to, overwrite=force)
    if json:
        print_json(done.as_json(to))
    else:
        say(*done.lines)


@dataclass(frozen=True)
class Exported:
    """What was written."""

    run: str
    files: Sequence[Path]
    lines: Sequence[str]
    """The same in words."""
    network: dict[str, Any] = field(default_factory=dict[str, Any])
    """Of a network or its weights: which they are."""

    def as_json(self, to: Format) -> dict[str, Any]:
        """Plain data for `--json`."""
        files = [str(path.absolute()) for path in self.files]
        return {"schema": SCHEMA, "run": self.run, "to": str(to), "files": files, **self.network}


def _refuse_network_options(to: Format, checkpoint: str, weights: str) -> None:
    if checkpoint != "best" or weights:
        raise UserError(
            f"--checkpoint and --weights choose a network, not records to write as {to}",
            "use --to onnx, state_dict, safetensors or checkpoint",
        )


def _export_records(run: str, runs_dir: Path, out: Path | None, to: Format, *, overwrite: bool) -> Exported:
    with Passing(runs_dir) as passing:
        paths, name = _records(run, runs_dir, passing)
        settings = _settings(paths) if to is Format.TRACKIO else None
        target = out or default_out(name, to)
        written = export_run(paths, ExportFormat(to), target, overwrite=overwrite, settings=settings)
    lines = [f"wrote {path}" for path in written]
    if to is Format.TRACKIO:
        lines.append(f"look at it with: TRACKIO_DIR={target.absolute().parent} trackio show --project {target.stem}")
    return Exported(paths.root.name, list(written), lines)


def _settings(paths: RunPaths) -> Mapping[str, Any]:
    """Every value of the run's configuration by its dotted name; none where it cannot be read."""
    from trainctl.tui.compare.facts import flat_values, read_config

    return flat_values(read_config(paths.config) or {})


def _records(run: str, runs_dir: Path, passing: Passing) -> tuple[RunPaths, str]:
    """The run, or what a log of another tool holds, and what to call the export.

    Raises:
        UserError: there is none, or the log holds several.
    """
    foreign = passing.runs_of(run)
    if len(foreign) > 1:
        names = ", ".join(short_names([one.root.name for one in foreign[:5]]))
        raise UserError(f"{run} holds {len(foreign)} trainings ({names}): one at a time", "trainctl import makes runs")
    if foreign:
        return foreign[0], f"{Path(run).stem}-exported"
    paths = find_run(runs_dir, run)
    return paths, paths.root.name


def default_out(name: str, to: Format) -> Path:
    """Where the export of run `name` goes: into the working directory."""
    return Path(f"{name}-tensorboard" if to is Format.TENSORBOARD else f"{name}.{SUFFIXES.get(to, to)}")


def _export_weights(
    run: str, runs_dir: Path, checkpoint: str, weights: str, out: Path | None, to: Format, *, overwrite: bool
) -> Exported:
    """Write the weights alone. No code of the run's task is needed, so none runs."""
    paths, source = checkpoint_of_run(run, runs_dir, checkpoint, weights)

    from trainctl.engine.training.weights_file import export_weights

    path = out or default_out(paths.root.name, to)
    kind = "safetensors" if to is Format.SAFETENSORS else "state_dict"
    done = export_weights(source, kind, path, weights=weights, overwrite=overwrite)
    text = f"wrote {path}  {done['tensors']} tensors, {done['parameters']:,} values"
    left = f"; left out, being no tensors: {', '.join(done['left_out'])}" if done["left_out"] else ""
    line = f"{text}  ({done['weights']} weights of epoch {done['epoch']}, {source.name}){left}"
    network = {"checkpoint": str(source.absolute()), "weights": done["weights"], "epoch": done["epoch"]}
    return Exported(paths.root.name, [path], [line], network)


def _export_checkpoint(
    run: str, runs_dir: Path, checkpoint: str, weights: str, out: Path | None, *, overwrite: bool
) -> Exported:
    """Write all of a checkpoint as one file; for what lies in parts."""
    if weights:
        raise UserError(f"--weights {weights}: a checkpoint has all weights that there are", "leave it out")
    paths, source = checkpoint_of_run(run, runs_dir, checkpoint, weights)

    from trainctl.engine.training.weights_file import export_checkpoint

    path = out or default_out(paths.root.name, Format.CHECKPOINT)
    about = export_checkpoint(source, path, overwrite=overwrite)
    line = f"wrote {path}  (all of {source.name}: step {about['step']}, epoch {about['epoch']})"
    network = {"checkpoint": str(source.absolute()), "step": about["step"], "epoch": about["epoch"]}
    return Exported(paths.root.name, [path], [line], network)


def _export_network(
    run: str, runs_dir: Path, checkpoint: str, weights: str, out: Path | None, *, overwrite: bool, trust: bool
) -> Exported:
    """Write the network."""
    past, source = trained_run(run, runs_dir, checkpoint, weights, overrides=["runtime.device=cpu"], trust=trust)

    from trainctl.engine.training.restore import restore

    path = out or default_out(past.paths.root.name, Format.ONNX)
    trained = restore(source, past.resolved, past.task_type, past.data, weights=weights)
    about = trained.task.export_onnx(trained.model, path, overwrite=overwrite)
    shapes = " -> ".join(_shapes(about[side]) for side in ("inputs", "outputs"))
    left = f"; left out: {about['left_out']}" if about.get("left_out") else ""
    epoch = trained.about["epoch"]
    line = f"wrote {path}  {shapes}  ({trained.weights} weights of epoch {epoch}, {source.name}){left}"
    network = {"checkpoint": str(source.absolute()), "weights": trained.weights, "epoch": epoch}
    return Exported(past.paths.root.name, [path], [line], network)


def _shapes(tensors: Mapping[str, Sequence[object]]) -> str:
    return ", ".join(f"{name} {'x'.join(map(str, shape))}" for name, shape in tensors.items())
