"""Which sources are read for messages (`english`), and which of their texts are none. Tables of names alone."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[2]
ZH = ROOT / "engine" / "languages" / "zh"
SOURCES = {
    "report": [
        *(f"engine/diagnosis/{name}.py" for name in ("report", "summaries", "scope", "sampler_check", "sarif")),
        *(f"engine/diagnosis/{name}.py" for name in ("explanation", "conclusion", "finding", "against")),
    ],
    "facts": ["engine/diagnosis/facts", "engine/diagnosis/records", "engine/diagnosis/probes"],
    "logs": ["engine/diagnosis/logs"],
    "course": ["engine/diagnosis/rules/course"],
    "run": ["engine/diagnosis/rules/run"],
    "plan": ["engine/diagnosis/rules/plan"],
    "command_line": [
        *(f"tui/cli/commands/{name}.py" for name in ("diagnose", "explain", "rules", "verify")),
        *(f"tui/cli/{name}.py" for name in ("verified", "trials", "cell_progress", "against")),
        *(f"tui/cli/{name}.py" for name in ("fix_file", "sarif_file", "outcome")),
        *(f"tui/compare/{name}.py" for name in ("trial", "trial_verdict")),
        *(f"tui/cli/{name}.py" for name in ("configured", "past_run", "options")),
        *("tui/health/fixed_preset.py", "tui/words/language.py", "engine/tasks/recognise.py"),
    ],
    "page": ["tui/report"],
    "events": [
        *(f"engine/training/{name}" for name in ("capture", "desk", "loop", "state/moments.py", "fork.py")),
        *(
            f"engine/training/{name}.py"
            for name in ("session", "device", "state/shards", "state/parts_files", "state/saving_in_parts")
        ),
        *("engine/importing/story.py", "engine/watch/obeying.py", "tui/words/events.py"),
        *("tui/cli/live/first_words.py", "tui/processes/killing.py"),
    ],
    "mistakes": [
        *(
            f"engine/runs/{name}.py"
            for name in ("commands", "index", "atomic", "lock", "validated/samples", "overview", "store")
        ),
        *(f"tui/processes/{name}.py" for name in ("jobs", "launch", "own_run")),
        *("tui/run/session.py", "tui/run/overlays.py", "tui/replay/feed.py"),
    ],
    "compare": ["tui/compare"],
    "running": [
        *(f"tui/cli/commands/{name}.py" for name in ("run", "runs", "tail", "compare", "ui")),
        *(f"tui/cli/live/{name}.py" for name in ("block", "lines", "display")),
        *("tui/cli/opening.py", "tui/cli/comparing/compared.py"),
    ],
    "sweep": ["tui/cli/sweep"],
    "ui": [
        *(
            "tui/actions.py",
            "tui/app.py",
            "tui/palette.py",
            "tui/panels.py",
            "tui/charts",
            "tui/widgets",
            "tui/screens",
            "tui/health",
        ),
        *(f"tui/words/{name}.py" for name in ("data", "hardware", "health", "verdict", "runs", "folder")),
    ],
    "data": [
        *(f"engine/data/{name}.py" for name in ("samplers/short_epochs", "leak_check", "overlap", "split_names")),
        *(f"engine/data/{name}.py" for name in ("emotion/load", "eyes/load", "eyes/splits", "weld/load")),
        *(f"engine/data/quality/{name}.py" for name in ("load", "photographs", "references")),
    ],
}
"""Table, and the files and folders that its messages are from."""
NOTES_ONLY = ("data",)
"""Tables of notes: what is said of files that cannot be read is not in them."""
NOT_OURS = (
    # Patterns and vocabulary of logs, and what other commands print.
    *(f"engine/diagnosis/logs/{name}.py" for name in ("vocabulary", "numbers", "names")),
    *(f"engine/diagnosis/logs/readers/{name}.py" for name in ("patterns", "shapes", "lexing", "pairs", "layouts")),
    *(f"engine/diagnosis/probes/{name}.py" for name in ("audit", "debug")),
)
SIZES = (
    *(f"{{#1}} of {{#2}} {unit}" for unit in ("MB", "GB", "TB")),
    *("{#1} MB of {#2} GB", "{#1} GB of {#2} TB"),
)
"""Memory that is used of all there is (tui/words/hardware.py)."""
CARD = ("use", "memory", "temperature", "power")
"""What is measured of a card (tui/widgets/hardware.py)."""
UNSAID_CALLS = {
    *("rule", "compile", "search", "split", "partition", "cast", "getattr", "Option", "Argument", "Asked"),
    *("ValueError", "KeyError", "AssertionError", "frame_css", "query_one"),
}
"""Calls of which a text is no message."""
UNSAID = {
    # Text of a file, styles, names of columns.
    *("# Trial {1} of the study {2}; written by `trainctl sweep`.", "{1}, best of the study {2}: {3}", "trial {1}"),
    "# {1} with what mends {2}; written by `trainctl diagnose --fix`.",
    *("{1}; was {2}", "summary: {1}", "extends: {1}", "{1}, mended: {2}", "bold {1}", "train_loss (summary)"),
    # Words of torch that a rule looks for (rules/plan/notices.py).
    *("None of the inputs have requires_grad=True", "degrees of freedom is <= 0"),
    *("Detected call of `lr_scheduler.step()`", "Using a non-full backward hook when"),
    # Markup of the page, classes of its style.
    *("line {1}", "band {1}", "dots {1}", "mark {1}", "swatch {1}", "swatch i{1}", "chip {1}", "code {1}"),
    "finding {1}",
    *("banner {1}", " faint", "light dark", "width=device-width, initial-scale=1", "%Y-%m-%d %H:%M UTC"),
    *('<meta name="generator" content="trainctl report">', '<meta charset="utf-8">{1}', "<!doctype html>\n"),
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'",
    # Options, commands and units, which stay.
    *("{1} min {2} s", "{1} min", "{1} h {2} min", "SRCC {1}", "ema {1}", "ema: {1}", "set lr {#1}", "{1} ema", " ema"),
    *("job end", "read ahead", "first words", "fork best", "synchronizing CUDA operation", "trainctl: error: {1}"),
    *("val {1}{2}", "val {1}", " log", "{1} {2}off", "last val {1}{2}", "weights"),
    # Too short to be told from a part of something else.
    *("step {1}", "step {1}{2}{3}", "in {1}", "on {1}", "{1} samples", "{1} -> {2} {3} samples", "{1} of {2}"),
    *("{1} to {2}{3}", "final {1}", "{1} {2} at epoch {3} ({4})", "{1} at epoch {2}", "now {1}", "{1} {#2} of {#3}"),
    *("{1}, not {#2}", "{1} times", "{1} {#2} at step {3}", "refused: {1}", "a scalar", "step {1}: {2}", "{#1} seeds"),
    *("{1}; {2}", "usage: {1}", "which {1}?", "unknown {1} {2}", "say more: {1}", "there is: {1}", "{1} info"),
    *(
        "by {1}{2}",
        "presumed",
        "trainctl: error",
        "age<2d took>1h",
        'name:"a b"',
        "val",
        "refused",
        "inverted",
        " of {1}",
        "{#1} of {2}",
        *(f"{{1}} {what}" for what in CARD),
        "{1}, {2}, in {3}",
        "{1} bytes",
    ),
    *(
        *("{1} of {2} {3}", "{1} {2} of {3}"),
        "trainctl: {1}",
        "trainctl: the display failed ({1}); the training goes on\n",
        "run     {1}",
        "best    {1} {#2} at epoch {3}",
        "resume  trainctl run --resume {1}",
        " and",
    ),
    *("speed   {#1} samples/s, {#2} s of training", "epoch \\S+  (train|val  )", "step {#1}  epoch {#2}"),
    *("step {#1}/{#2}  ETA {3}", "epoch {#1}/{2}", "{1} epochs"),
    *("number of epochs is", "loss weights are", "at epoch", "not finite from"),
    *("epoch {1}", " of {#1}", "{1} scale", "best {1}", "loss {1}", "step {#1}: {2}", "after {1}"),
    *("{1}: {2}, answered {3}", "revision {1}{2}", "started {1}", "Term: {1}", "{1}{2} compared"),
    "{1} to {2}, least {3}, greatest {4}{5}",
}
