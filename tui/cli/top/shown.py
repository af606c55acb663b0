"""What `trainctl top` found, as rows of text. Pure; knows no terminal."""

from __future__ import annotations

from pathlib import Path

from trainctl.engine.machine.load import Load
from trainctl.tui.charts.axis import duration, short
from trainctl.tui.cli.output import Cell, align
from trainctl.tui.cli.top.looking import LiveRun, Look
from trainctl.tui.words.hardware import card_words, cores_words, memory_words, percent_words
from trainctl.tui.words.runs import SYMBOLS, progress_words, run_state_word

HEADINGS = ("RUN", "STATE", "STEP", "STEPS/S", "LEFT", "CPU", "MEMORY", "GPU")


def lines_of(look: Look, root: Path) -> list[list[Cell]]:
    """The machine, its cards, and a line for each live run; what is not there has neither row nor column."""
    lines = [_machine(look), *_cards(look), [("", "")]]
    if not look.runs:
        return [*lines, [(f"no live run in {root}; start one with: trainctl run", "")]]
    rows = [_run(run) for run in look.runs]
    # A column in which nothing stands says nothing.
    kept = [k for k in range(len(HEADINGS)) if k < 3 or any(row[k][0] != "-" for row in rows)]
    heads: list[Cell] = [(word, "dim") for word in HEADINGS]
    return [*lines, *align([[row[k] for k in kept] for row in (heads, *rows)])]


def _machine(look: Look) -> list[Cell]:
    load = look.load
    busy, memory = (
        percent_words(load.machine_cpu_percent),
        memory_words(load.memory_used_bytes, load.memory_total_bytes),
    )
    parts = [f"CPU {busy} of {look.cores} cores" if busy else "", f"memory {memory}" if memory else ""]
    known = "   ".join(part for part in parts if part)
    return [(known or "what this machine does is not known here", "bold" if known else "dim")]


def _cards(look: Look) -> list[list[Cell]]:
    rows: list[list[Cell]] = [
        [(f"GPU {card.index}", "bold"), *((word or "-", "") for word in card_words(card)), (card.name, "dim")]
        for card in look.cards
    ]
    return align(rows)


def _run(run: LiveRun) -> list[Cell]:
    info, status = run.info, run.status
    word = run_state_word(info)
    load = Load() if run.sample is None else run.sample.load
    rate = status.steps_per_s if status is not None and status.steps_per_s > 0 else 0.0
    left = status.eta_s if status is not None and status.eta_s is not None else 0.0
    cards = [] if run.sample is None else run.sample.cards
    on_cards = ", ".join(" ".join(part for part in card_words(card)[:2] if part) for card in cards)
    return [
        (info.name, ""),
        (f"{SYMBOLS[word]} {word}", "bold"),
        (progress_words(info), ""),
        (short(rate) if rate else "-", ""),
        (duration(left) if left > 0 else "-", ""),
        (cores_words(load.process_cpu_percent) or "-", ""),
        (memory_words(load.process_memory_bytes) or "-", ""),
        (on_cards or "-", ""),
    ]
