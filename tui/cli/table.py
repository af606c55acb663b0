"""The table of commands: name and one line of help. A new command is one file in `commands/` and one line here.

Imports none of them: `trainctl --help` is printed from this table alone.
"""

from __future__ import annotations

import keyword
from dataclasses import dataclass


@dataclass(frozen=True)
class CommandEntry:
    """Where a command lives and what the overview says about it."""

    module: str
    """Dotted name of the module, imported when the command is used. Its `command` is a plain function annotated for
    typer, or a `typer.Typer` with subcommands."""
    help: str
    """One line, shown by `trainctl --help`."""


ELSEWHERE = {name: f"trainctl.tui.cli.{name}.command" for name in ("sweep", "top")}
"""Commands of many parts have a folder of their own."""


def _entry(name: str, text: str) -> CommandEntry:
    if name in ELSEWHERE:
        return CommandEntry(ELSEWHERE[name], text)
    module = f"{name}_" if keyword.iskeyword(name) else name.replace("-", "_")
    return CommandEntry(f"trainctl.tui.cli.commands.{module}", text)


COMMANDS: dict[str, CommandEntry] = {
    name: _entry(name, text)
    for name, text in {
        "run": "Train: a preset, your file, or your own task.",
        "ui": "Open the cockpit: the list of runs, one of them, or a new one.",
        "diagnose": "Say why a training does not work, before or after it ran.",
        "explain": "Say what a rule of the diagnosis tests, and what to do.",
        "rules": "List the rules of the diagnosis.",
        "verify": "Train briefly without and with a fix, and say whether it helps.",
        "presets": "List, show and compare presets.",
        "runs": "List runs, newest first; delete or rename one.",
        "sweep": "Look for the best values of options, on any number of machines.",
        "top": "Show what the machine does, and the runs that are live.",
        "compare": "Set runs side by side: figures, configuration.",
        "report": "Write a page about runs for somebody without a terminal.",
        "tail": "Follow a run in plain text.",
        "send": "Ask a running training to pause, stop, save or change a value.",
        "mcp": "Serve runs, logs and presets to an assistant.",
        "import": "Make runs of other tools' logs.",
        "export": "Write records or the model in other formats.",
        "evaluate": "Measure a checkpoint on data.",
        "predict": "Apply a checkpoint to files.",
        "data": "Look at the data: balance, batches, samples.",
        "lr-find": "Sweep the learning rate and suggest one.",
    }.items()
}
