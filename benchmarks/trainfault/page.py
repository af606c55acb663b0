"""Writes `docs/trainfault.md` from what the stages kept. Computes no figure itself."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.experiments.tables import markdown
from benchmarks.trainfault.by_rule import by_rule
from benchmarks.trainfault.cases import Case, all_cases
from benchmarks.trainfault.damage import SPREAD
from benchmarks.trainfault.hosts import HOSTS
from benchmarks.trainfault.judging import PATHS
from benchmarks.trainfault.plan import HEALTHY_SEEDS, Selection
from benchmarks.trainfault.tally import HALVES, beside, commonest, fixes, half, loud, seconds, steps_to_detect, tally
from benchmarks.trainfault.verdicts import Collection, Verdict
from trainctl.engine.diagnosis.catalogue import all_rules

PAGE = Path("docs/trainfault.md")
NAMES = {
    "all": "before training, then records",
    "preflight": "before training",
    "records": "records",
    "log": "CSV export",
}


def page(found: Collection, selection: Selection) -> str:
    """The whole page."""
    parts = [
        *_head(found, selection),
        *_headline(found, selection),
        *_by_path(found),
        *_rivals(found, selection),
        *_alarms(found),
        *_hosts(found),
        *_by_fault(found),
        *by_rule(found),
        *_cases_table(),
    ]
    return "\n".join(parts) + "\n"


def _head(found: Collection, selection: Selection) -> Iterator[str]:
    cases = all_cases().values()
    faults = [case for case in cases if case.is_fault]
    traps = [case for case in cases if not case.is_fault]
    pairs = [(case, host) for case in faults for host in HOSTS.values()]
    fitting = sum(case.fits(host.traits) for case, host in pairs)
    yield "# TrainFault: how good is the diagnosis"
    yield ""
    yield "Written by `python -m benchmarks.trainfault` (`make bench-faults`); not by hand."
    yield ""
    waiting = f" {found.waiting} are not trained or judged yet." if found.waiting else ""
    yield (
        f"{len(faults)} faults and {len(traps)} healthy trainings that look odd are planted into {len(HOSTS)} small "
        f"trainings, under seeds {', '.join(map(str, selection.seeds))}, usual severity. Of {len(pairs)} pairs of "
        f"fault and host {len(pairs) - fitting} cannot be (an autoencoder has no labels to shuffle), and "
        f"{len(found.harmless)} of those trained do no harm and are not counted. {len(found.faults)} faulty and "
        f"{len(found.healthy)} healthy trainings remain.{waiting}"
    )
    yield ""
    yield (
        "A fault counts where it harms: in most seeds the network is worse than usual on samples that no fault has "
        f"touched, by more than {SPREAD:.0f} standard deviations of {len(HEALTHY_SEEDS)} healthy seeds and than the "
        "host's margin; or what is reported of it is as far from what it is. A trap whose result is that bad does not "
        "count as healthy. The truth of each fault, the codes that name its cause and those that lead to it, was "
        "written before anybody looked at what the diagnosis says; one was added since: E1006 to `plateau-mode`, when "
        "that rule learned to read the mode of a plateau. Rules are repaired by what happens on the calibrating hosts; "
        "the others are the result."
    )
    yield ""
    yield "- **detected**: a warning or error that names the cause or leads to it; **spoken**: any warning or error"
    yield "- **top 1**: the first finding names the cause; **top 3**: one of the first three names it or leads to it"
    yield "- **false alarms**: healthy trainings with any warning or error"
    yield ""


def _headline(found: Collection, selection: Selection) -> Iterator[str]:
    rows: list[list[str]] = []
    for name, is_held_out in HALVES.items():
        faults, healthy = half(found.faults, is_held_out=is_held_out), half(found.healthy, is_held_out=is_held_out)
        counts = tally(faults)
        in_time, median = steps_to_detect(faults)
        tried, back = fixes(found, faults, selection.root)
        rows.append(
            [
                f"**{name}**" if is_held_out else name,
                str(counts.count),
                _share(counts.detected, counts.count),
                _share(counts.spoken, counts.count),
                _share(counts.first, counts.count),
                _share(counts.among, counts.count),
                _of(len(loud(healthy, "any")), len(healthy)),
                f"{_share(in_time, counts.count)}, {'-' if median is None else f'{median:.0f}'}",
                _of(back, tried),
            ]
        )
    yield "## Result"
    yield ""
    titles = [
        "hosts",
        "faults",
        "detected",
        "spoken",
        "top 1",
        "top 3",
        "false alarms",
        "in time, median step",
        "fixes that help",
    ]
    yield markdown(titles, rows)
    yield ""
    yield (
        "Aims: 95 % detected, 90 % top 1, at most 1 % false alarms. *In time*: detected before or while it trains, and "
        "the step at the median (0: before training). *Fixes that help*: of faults for which `--fix` has settings, "
        "those that, trained again with them, get back at least half of what was lost."
    )
    yield ""


def _by_path(found: Collection) -> Iterator[str]:
    rows: list[list[str]] = []
    for path in ("all", *PATHS):
        for name, is_held_out in HALVES.items():
            faults, healthy = half(found.faults, is_held_out=is_held_out), half(found.healthy, is_held_out=is_held_out)
            counts = tally(faults, path)
            times = seconds([*faults, *healthy], path) if path in PATHS else None
            shares = (counts.detected, counts.spoken, counts.first, counts.among)
            rows.append(
                [
                    NAMES[path],
                    name,
                    *(_share(part, counts.count) for part in shares),
                    _of(len(loud(healthy, path)), len(healthy)),
                    "" if times is None else f"{times[0]:.2f}, {times[1]:.2f}",
                ]
            )
    yield "## By where it is asked"
    yield ""
    titles = ["asked", "hosts", "detected", "spoken", "top 1", "top 3", "false alarms", "seconds, median and most"]
    yield markdown(titles, rows)
    yield ""


def _rivals(found: Collection, selection: Selection) -> Iterator[str]:
    rows = [
        [
            tool,
            name,
            _share(counts.leading, counts.faults),
            _share(counts.alarmed, counts.faults),
            _of(counts.false_alarms, counts.healthy),
            str(counts.unjudged),
        ]
        for name, is_held_out in HALVES.items()
        for tool, counts in beside(found, selection.root, is_held_out=is_held_out).items()
    ]
    if not rows:
        return
    yield "## Beside other tools"
    yield ""
    yield (
        "All read the same CSV: step, epoch, loss, rate and gradient norm of every step, and the validation at the end "
        "of an epoch. A label *leads to it* where it makes a kind of fault plausible that a code of the truth does."
    )
    yield ""
    yield markdown(["tool", "hosts", "leads to it", "any alarm", "false alarms", "could not judge"], rows)
    yield ""


def _alarms(found: Collection) -> Iterator[str]:
    yield "## False alarms"
    yield ""
    rows = [
        [
            verdict.trial.host,
            verdict.trial.case or "as it is",
            str(verdict.trial.seed),
            *(" ".join(verdict.order(path)) or "-" for path in PATHS),
        ]
        for verdict in loud(found.healthy, "any")
    ]
    yield markdown(["host", "training", "seed", *(NAMES[path] for path in PATHS)], rows) if rows else "None."
    yield ""
    if found.spoilt:
        spoilt = ", ".join(f"{case} on {host}" for host, case in sorted(found.spoilt))
        yield f"Traps that harm their host, and are not counted as healthy there: {spoilt}."
        yield ""


def _hosts(found: Collection) -> Iterator[str]:
    yield "## Hosts"
    yield ""
    rows = [
        [
            host.name,
            "held out" if host.is_held_out else "calibrates",
            host.says,
            f"{host.monitor.metric} {usual.mean:.3f}",
            f"{usual.least_loss:.3f}",
            f"{usual.least_gap:.3f}",
        ]
        for host in HOSTS.values()
        if (usual := found.usual.get(host.name)) is not None
    ]
    yield markdown(["host", "half", "what it is", "usual", "worse by counts", "misreported by counts"], rows)
    yield ""


def _by_fault(found: Collection) -> Iterator[str]:
    by_case: defaultdict[str, list[Verdict]] = defaultdict(list)
    for verdict in found.faults:
        by_case[verdict.trial.case].append(verdict)
    yield "## By fault"
    yield ""
    yield (
        "Of the trainings of each half that the fault harms: detected, and named first. *Said first* with how often, "
        "`-` for nothing. Causes in brackets are codes that no rule has."
    )
    yield ""
    rows = [_fault_row(all_cases()[name], verdicts) for name, verdicts in by_case.items()]
    rows.sort(key=lambda row: row[:2])
    halves = [f"{name}: {what}" for name in HALVES for what in ("trainings", "detected", "top 1")]
    yield markdown(["family", "fault", "cause", *halves, "said first"], rows)
    yield ""
    never = sorted({case for _, case in found.harmless} - set(by_case))
    if never:
        yield f"Harmless on every host at this severity: {', '.join(never)}."
        yield ""


def _fault_row(case: Case, verdicts: Sequence[Verdict]) -> list[str]:
    known = {*all_rules(), *all_rules(of_log=True)}
    cells: list[str] = []
    for is_held_out in HALVES.values():
        counts = tally(half(verdicts, is_held_out=is_held_out))
        cells += [str(counts.count), str(counts.detected), str(counts.first)] if counts.count else ["-", "-", "-"]
    return [
        case.family,
        case.name,
        " ".join(code if code in known else f"({code})" for code in sorted(case.cause)),
        *cells,
        commonest(verdicts, lambda verdict: ["refused"] if verdict.is_refused else verdict.order("all")),
    ]


def _cases_table() -> Iterator[str]:
    for is_fault, title in ((True, "## What the faults are"), (False, "## What the healthy trainings are")):
        yield title
        yield ""
        rows = [
            [
                case.name,
                case.says,
                *(
                    [", ".join(f"{dose:g}" for dose in case.doses) if len(set(case.doses)) > 1 else ""]
                    if is_fault
                    else []
                ),
                str(sum(case.fits(host.traits) for host in HOSTS.values())),
            ]
            for case in all_cases().values()
            if case.is_fault is is_fault
        ]
        yield markdown(
            ["case", "what is wrong" if is_fault else "what is odd", *(["mild, usual, severe"] * is_fault), "hosts"],
            rows,
        )
        yield ""


def _share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.0f} %" if whole else "-"


def _of(part: int, whole: int) -> str:
    return f"{part} of {whole}"
