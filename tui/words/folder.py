"""What is said before a run is deleted, on every surface. Pure."""

from __future__ import annotations

from trainctl.engine.runs.folder.removal import Removal
from trainctl.tui.words.runs import best_words, progress_words, run_state_word, short_age

MOST_NAMES = 4
_UNITS = ("bytes", "kB", "MB", "GB", "TB")


def removal_lines(what: Removal) -> list[str]:
    """What would be deleted: how the run stood, how much it is, what of it is not trainctl's."""
    info = what.info
    stood = [run_state_word(info), f"step {progress_words(info)}"]
    stood += [f"best {best_words(info)}"] if info.best else []
    files = f"{what.num_files} file{'' if what.num_files == 1 else 's'}"
    lines = [
        f"{', '.join(stood)}, last seen {short_age(info.age_s)} ago",
        f"{files}, {size_words(what.num_bytes)}, in {what.paths.root}",
    ]
    if what.strange:
        more = f" +{len(what.strange) - MOST_NAMES}" if len(what.strange) > MOST_NAMES else ""
        lines.append(f"also in it, not written by trainctl: {', '.join(what.strange[:MOST_NAMES])}{more}")
    return [*lines, "It cannot be brought back."]


def size_words(num_bytes: int) -> str:
    """1.2 MB of 1,234,567 bytes."""
    size, unit = float(num_bytes), 0
    while size >= 999.5 and unit < len(_UNITS) - 1:
        size, unit = size / 1000, unit + 1
    return f"{num_bytes} bytes" if unit == 0 else f"{size:.3g} {_UNITS[unit]}"
