"""What an audit of the data found, as lines of words: the same on the command line and in the cockpit. Pure.

Takes the plain data of `trainctl data --json`; a line is pieces of text, each with a word for its style.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from trainctl.tui.charts.axis import short
from trainctl.tui.plain import columns, cut, in_lines, padded, printable
from trainctl.tui.spoken import said

Plain = Mapping[str, Any]
Piece = tuple[str, str]
"""Text, and `bold`, `dim`, `bar`, `ok`, `warning`, `error` or nothing."""
Lines = list[tuple[Piece, ...]]

MAX_NAME = 20
IMBALANCED = 10.0
"""Ratio of the largest to the smallest class from which it is said loudly; diagnosis judges for good."""
NEAR_SHARE = 0.01
"""Share of validation samples with a near-duplicate from which it is said loudly; diagnosis judges for good."""
LEFT_OUT_SHARE = 0.05
"""Share of the training samples that an epoch leaves out from which it is said loudly."""
MARKS = {"ok": "✓", "warning": "!", "error": "×", "dim": "–", "": " "}

TITLES = {
    "balance": "Class balance",
    "sampler": "Batches of the first epoch",
    "tensors": "Tensors",
    "samples": "Samples",
}
"""Heading of each section."""


def section_lines(name: str, section: Plain, width: int) -> Lines:
    """The lines of a section, none wider than `width` as far as that can be."""
    if "missing" in section:
        return wrapped(str(section["missing"]), "warning", width)
    writers: dict[str, Callable[[Plain, int], Lines]] = {
        "balance": balance_lines,
        "sampler": sampler_lines,
        "tensors": tensor_lines,
        "samples": sample_lines,
    }
    return writers[name](section, width)


def wrapped(text: str, style: str, width: int) -> Lines:
    """A sentence behind the mark of its style, as many lines as it takes."""
    parts = in_lines(printable(said(text)), max(width - 2, 10)) or [""]
    return [((f"{MARKS[style] if k == 0 else ' '} {part}", style),) for k, part in enumerate(parts)]


# --- balance ------------------------------------------------------------------------------------------------


def balance_lines(section: Plain, width: int) -> Lines:
    """A bar per class for each split, the ratio of the largest to the smallest, then the loader's notes."""
    classes: Sequence[str] = section["classes"]
    lines: Lines = []
    for split in section["splits"]:
        head = said(f"{split['name']}: {split['num_samples']:,} samples")
        if split["counts"] is None:
            lines.append(((head, "bold"), (f"  {said('no classes')}", "dim")))
            continue
        lines += [((head, "bold"),), *_class_bars(classes, split["counts"], split["shares"], width)]
        lines += _ratio(classes, split["counts"], width)
        if split["outside"]:
            lines += wrapped(f"{split['outside']:,} labels name no class", "error", width)
    if section["groups"]:
        lines += _groups(section["groups"], width)
    for note in section["notes"]:
        lines += wrapped(note, "dim", width)
    return lines


def _class_bars(classes: Sequence[str], counts: Sequence[int], shares: Sequence[float], width: int) -> Lines:
    name_width = min(max((columns(name) for name in classes), default=0), MAX_NAME)
    room = max(width - name_width - 20, 4)
    top = max([*shares, 1e-12])
    return [
        (
            (f"  {padded(name, name_width)} ", "" if count else "error"),
            ("█" * round(share / top * room) + " " * (room - round(share / top * room)), "bar"),
            (f" {count:>9,}", "" if count else "error"),
            (f" {share:6.1%}", "dim"),
        )
        for name, count, share in zip(classes, counts, shares or [0.0] * len(counts), strict=True)
    ]


def _ratio(classes: Sequence[str], counts: Sequence[int], width: int) -> Lines:
    if len(counts) < 2 or not sum(counts):
        return []
    least, most = min(counts), max(counts)
    if least == 0:
        empty = [name for name, count in zip(classes, counts, strict=True) if count == 0]
        more = f" and {len(empty) - 3} more" if len(empty) > 3 else ""
        return wrapped(f"no sample of {', '.join(empty[:3])}{more}", "error", width)
    ratio = most / least
    text = f"largest class {ratio:.1f} times the smallest"
    return wrapped(text, "warning" if ratio >= IMBALANCED else "ok", width)


def _groups(groups: Plain, width: int) -> Lines:
    text = f"{groups['train']:,} groups in train, {groups['val']:,} in val"
    if groups["shared"]:
        options = " ".join(f"{path}={value}" for path, value in groups["fix"].items())
        text += f": {groups['shared']:,} of them in both, the validation is too good"
        return wrapped(text + (f"; {options} puts each on one side" if options else ""), "error", width)
    return wrapped(f"{text}, none in both", "ok", width)


# --- sampler ------------------------------------------------------------------------------------------------


def sampler_lines(section: Plain, width: int) -> Lines:
    """Sizes, what is drawn how often, classes per batch against chance, the first batches."""
    low, high = section["sizes"] or (0, 0)
    sizes = f"{low}" if low == high else f"{low} to {high}"
    head = said(f"{section['num_batches']:,} batches of {sizes}")
    lines: Lines = [((head, "bold"), (f"  {section['kind']}", "dim"))]
    lines += _drawn(section, width)
    classes = section["classes"]
    if classes is None:
        return [*lines, *wrapped("no classes: nothing to say about what meets in a batch", "dim", width)]
    least, median, most = classes["per_batch"]
    lines += wrapped(f"classes per batch: {least} least, {median:g} median, {most} most", "", width)
    expected, observed = classes["expected"], classes["observed"]
    style = "warning" if observed < expected / 2 else "ok"
    lines += wrapped(
        f"on average {observed:.2f} classes meet; independent draws would give {expected:.2f}", style, width
    )
    one = classes["one_class"]
    text = f"{one:,} of {section['num_batches']:,} batches hold one class only"
    lines += wrapped(text, "error" if one else "ok", width)
    return [*lines, *_shares(classes, width), *_first_batches(classes, width)]


def _drawn(section: Plain, width: int) -> Lines:
    left_out, repeated = section["left_out"], section["repeated"]
    if not left_out and not repeated:
        return wrapped(f"each of the {section['num_samples']:,} samples once", "ok", width)
    parts = [f"{section['distinct']:,} of {section['num_samples']:,} samples are drawn"]
    share = left_out / section["num_samples"] if section["num_samples"] else 0.0
    if left_out:
        parts.append(f"{left_out:,} left out" + (f" ({share:.0%})" if share >= LEFT_OUT_SHARE else ""))
    if repeated:
        parts.append(f"{repeated:,} more than once")
    # What does not fill a last batch is left out by design, where it is little; more than that is worth a look.
    is_little = left_out < (section["sizes"] or (1, 1))[1] and share < LEFT_OUT_SHARE and not section.get("never")
    if is_little:
        return wrapped(", ".join(parts), "warning" if repeated else "ok", width)
    return wrapped(", ".join(parts) + _why_left_out(section), "warning", width)


def _why_left_out(section: Plain) -> str:
    """Why samples are left out of the first epoch, whether for good, and what to do."""
    if not section["left_out"]:
        return ""
    never: int | None = section.get("never")
    epochs: int = section.get("epochs", 0)
    of = "the run's one epoch" if epochs == 1 else f"any of the run's first {epochs} epochs"
    for_good = "" if never is None else f"; {never:,} of them not in {of}" if never else "; others in each epoch"
    if not section.get("by_drop_last"):
        return f" by the sampler{for_good}: see that it draws each sample of the split"
    fitting: int | None = section.get("fitting_batch")
    batch = f"train.batch_size={fitting} leaves fewer, " if fitting else ""
    return f": the incomplete last batch (train.drop_last){for_good}. {batch}train.drop_last=false none"


def _shares(classes: Plain, width: int) -> Lines:
    pairs = zip(classes["names"], classes["drawn_shares"], classes["data_shares"], strict=True)
    moved = max(pairs, key=lambda pair: abs(pair[1] - pair[2]), default=None)
    if moved is None:
        return []
    name, drawn, data = moved
    if abs(drawn - data) < 0.01:
        return wrapped("the classes are drawn in the shares that the data has", "ok", width)
    return wrapped(f"the shares are changed: {name} is {drawn:.1%} of what is drawn, {data:.1%} of the data", "", width)


def _first_batches(classes: Plain, width: int) -> Lines:
    head = said(f"first {len(classes['first'])} batches: samples of each class")
    lines: Lines = [((f"  {head}", "dim"),)]
    digits = max((len(str(count)) for batch in classes["first"] for count in batch["counts"]), default=1)
    for index, batch in enumerate(classes["first"]):
        few = batch["distinct"] < batch["expected"] / 2
        style = "error" if batch["distinct"] == 1 and sum(batch["counts"]) > 1 else "warning" if few else "ok"
        counts = " ".join(f"{count:>{digits}}" for count in batch["counts"])
        tail = "  " + said(f"{batch['distinct']} classes, chance {batch['expected']:.1f}")
        room = max(width - columns(tail) - 8, 8)
        lines.append(((f"{MARKS[style]} {index}: ", style), (cut(counts, room), ""), (tail, "dim")))
    return lines


# --- tensors and samples -------------------------------------------------------------------------------------


def tensor_lines(section: Plain, width: int) -> Lines:
    """A line or two per tensor, then copies."""
    lines: Lines = []
    for row in section["tensors"]:
        shape = "×".join(map(str, row["shape"]))
        lines.append(((f"{row['split']} {row['name']}", "bold"), (f"  {row['dtype']} {shape}", "dim")))
        values = {name: _number(row[name]) for name in ("mean", "std", "min", "max")}
        text = "  " + "  ".join(f"{said(name)} {value}" for name, value in values.items())
        lines.append(((text, ""),))
        if row["nonfinite"]:
            lines += wrapped(f"{row['nonfinite']:,} values are not finite", "error", width)
    return lines + _copies(section["copies"], width)


def _copies(copies: Plain, width: int) -> Lines:
    if "missing" in copies:
        return wrapped(f"copies were not looked for: {copies['missing']}", "dim", width)
    lines: Lines = []
    if copies["val_in_train"]:
        text = f"{copies['val_in_train']:,} of {copies['num_val']:,} validation samples are in train too, byte for byte"
        text += f", e.g. {copies['example'][0]} and {copies['example'][1]}" if copies["example"] else ""
        lines += wrapped(text, "error", width)
    else:
        lines += wrapped("no validation sample is a copy of a training sample", "ok", width)
    if copies.get("near"):
        text = f"{copies['near']:,} of {copies['num_val']:,} validation samples have a near-duplicate in train"
        text += f", e.g. {copies['near_example'][0]} and {copies['near_example'][1]}" if copies["near_example"] else ""
        is_grave = copies["near"] > NEAR_SHARE * copies["num_val"]
        lines += wrapped(f"{text}: the validation is too good", "error" if is_grave else "warning", width)
    if copies["contradicted"]:
        text = f"{copies['contradicted']:,} of {copies['labelled']:,} samples have an equal with another label"
        text += f", e.g. {copies['contradiction'][0]} and {copies['contradiction'][1]}"
        lines += wrapped(text, "warning", width)
    share = copies["repeated_in_train"]
    if share > 0:
        lines += wrapped(f"{share:.1%} of the training samples are copies of another", "warning", width)
    return lines


def sample_lines(section: Plain, width: int) -> Lines:
    """The samples by class and name, without pictures."""
    lines: Lines = []
    for sample in section["samples"]:
        number = sample["class"]
        label = f"  {printable(section['classes'][number])}" if number is not None else ""
        name = cut(sample["name"], max(width - columns(label) - 2, 8))
        lines.append(((f"  {name}", ""), (label, "dim")))
    if section["no_pictures"]:
        lines += wrapped(section["no_pictures"], "dim", width)
    return lines


def _number(value: float | None) -> str:
    return "-" if value is None else short(value)
