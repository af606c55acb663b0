"""The table of commands: name, where it lives, one line of help. A new command is one file and one line here.

Imports none of them: `trainctl --help` is printed from this table alone.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class CommandEntry:
    """Where a command lives and what the overview says about it."""

    module: str
    """Dotted name of the module, imported when the command is used."""
    attribute: str
    """A plain function annotated for typer, or a `typer.Typer` with subcommands."""
    help: str
    """One line, shown by `trainctl --help`."""


COMMANDS: dict[str, CommandEntry] = {
    "run": CommandEntry("trainctl.tui.cli.run", "command", "Train: a preset, your file, or your own task."),
    "ui": CommandEntry("trainctl.tui.cli.ui", "command", "Open the cockpit on a new or an existing run."),
    "diagnose": CommandEntry(
        "trainctl.tui.cli.diagnose", "command", "Say why a training does not work, before or after it ran."
    ),
    "presets": CommandEntry("trainctl.tui.cli.presets", "app", "List, show and compare presets."),
    "runs": CommandEntry("trainctl.tui.cli.runs", "command", "List runs, newest first."),
    "compare": CommandEntry("trainctl.tui.cli.compare", "command", "Set runs side by side: figures, configuration."),
    "tail": CommandEntry("trainctl.tui.cli.tail", "command", "Follow a run in plain text."),
    "send": CommandEntry(
        "trainctl.tui.cli.send", "command", "Ask a running training to pause, stop, save or change a value."
    ),
    "export": CommandEntry("trainctl.tui.cli.export", "command", "Write records or the model in other formats."),
    "evaluate": CommandEntry("trainctl.tui.cli.evaluate", "command", "Measure a checkpoint on data."),
    "predict": CommandEntry("trainctl.tui.cli.predict", "command", "Apply a checkpoint to files."),
    "data": CommandEntry("trainctl.tui.cli.data", "command", "Look at the data: balance, batches, samples."),
    "lr-find": CommandEntry("trainctl.tui.cli.lr_find", "command", "Sweep the learning rate and suggest one."),
}
