"""Where the runs come from: versions, device, code, data, and the command that trains them again.

The name of the machine and the working directory are left out: the page is meant for others.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

from trainctl.tui.report.headline import moment
from trainctl.tui.report.html import Html, element, pairs, section, table
from trainctl.tui.report.subject import PageSubject, RunSubject

MOST_SERIES = 24


def origin(subject: PageSubject) -> Html:
    """The part of the page."""
    blocks = [_of_run(run, is_alone=subject.is_one) for run in subject.runs]
    return section("origin", "Environment and reproduction", *blocks)


def _of_run(run: RunSubject, *, is_alone: bool) -> Html:
    head = [] if is_alone else [element("h3", element("i", class_=f"swatch i{run.ink}", aria_hidden="true"), run.name)]
    if not run.meta:
        return element("div", *head, element("p", "The run has not said where it comes from."), class_="of-run")
    made = [*head, *_reproduction(run), pairs(_facts(run.meta), "facts")]
    return element("div", *made, *_read_as(run.meta), class_="of-run")


def _reproduction(run: RunSubject) -> Iterator[Html]:
    meta = run.meta
    imported = meta.get("imported_from")
    if isinstance(imported, Mapping):
        found = cast("Mapping[str, Any]", imported)
        yield element("p", f"Read from the log of another tool ({found.get('tool')}); no command is known.")
        return
    argv = meta.get("argv")
    if not isinstance(argv, list) or not argv:
        return
    words = [str(word) for word in cast("list[Any]", argv)]
    yield element("pre", element("code", _command(words)), tabindex=0)
    forked = meta.get("forked_from")
    if isinstance(forked, Mapping):
        fork = cast("Mapping[str, Any]", forked)
        yield element("p", f"It went on from step {fork.get('step')} of {fork.get('run') or fork.get('name')}.")
    if run.document.get("provenance"):
        words_of = "The same configuration, whatever became of the preset: trainctl run --preset RUN/config.yaml"
        yield element("p", words_of, class_="aside")


def _command(words: list[str]) -> str:
    """As it would be typed, wherever the program lies; a script that was run is Python's."""
    program = Path(words[0]).name
    first = ["trainctl"] if program == "trainctl" else ["python", words[0]] if program.endswith(".py") else words[:1]
    return shlex.join([*first, *words[1:]])


def _facts(meta: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if isinstance(meta.get("seed"), int):
        yield "seed", str(meta["seed"])
    if meta.get("device"):
        yield "device", str(meta["device"])
    yield from _code(meta.get("git"))
    versions = meta.get("versions")
    if isinstance(versions, Mapping):
        known = {str(k): str(v) for k, v in cast("Mapping[Any, Any]", versions).items()}
        yield "packages", ", ".join(f"{name} {version}" for name, version in known.items())
    for name, key in (("Python", "python"), ("system", "platform")):
        if meta.get(key):
            yield name, str(meta[key])
    yield from _data(meta)
    for name, key in (("started", "started"), ("imported", "imported")):
        value = meta.get(key)
        if isinstance(value, (int, float)) and value > 0:
            yield name, moment(value)


def _code(git: Any) -> Iterator[tuple[str, str]]:
    if isinstance(git, Mapping):
        found = cast("Mapping[str, Any]", git)
        yield (
            "code",
            f"revision {found.get('revision')}{', with changes that were not committed' * bool(found.get('dirty'))}",
        )


def _data(meta: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if "imported_from" in meta:
        return
    sizes = [f"{meta[key]:,} {word}" for key, word in (("num_train", "training"), ("num_val", "validation samples"))
             if isinstance(meta.get(key), int)]  # fmt: skip
    source = str(meta["data"]) if meta.get("data") else "built-in" if sizes else ""
    if source or sizes:
        yield "data", ": ".join(filter(None, (source, ", ".join(sizes))))
    identities = meta.get("data_id")
    if isinstance(identities, Mapping):
        for split, about in cast("Mapping[str, Any]", identities).items():
            if isinstance(about, Mapping) and cast("Mapping[str, Any]", about).get("names"):
                yield f"fingerprint, {split}", str(cast("Mapping[str, Any]", about)["names"])


def _read_as(meta: Mapping[str, Any]) -> Iterator[Html]:
    """What each name of another tool's log was taken for."""
    series = meta.get("series")
    if "imported_from" not in meta or not isinstance(series, list):
        return
    rows = [
        [str(one.get("name")), str(one.get("at")), str(one.get("split") or "")]
        for one in cast("list[Any]", series)[:MOST_SERIES]
        if isinstance(one, dict)
    ]
    if rows:
        head = element("summary", f"what the log's {len(rows)} columns were taken for")
        yield element("details", head, table(["in the log", "taken for", "split"], rows, label="columns"))
