"""The page: what it says of a run, what it makes of hostile names, whether it can be read, how large it becomes."""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from hostile import KEPT
from parsed_page import Parsed
from synthetic_run import SyntheticRun

from trainctl.engine.machine.cards import Card
from trainctl.engine.machine.load import Load
from trainctl.engine.runs.events import EventKind
from trainctl.engine.runs.hardware.samples import HardwareSample, line_of
from trainctl.engine.runs.layout import RunPaths
from trainctl.engine.runs.meta import write_meta
from trainctl.engine.runs.states import RunState
from trainctl.engine.runs.summary import Best, Summary, write_summary
from trainctl.engine.runs.validated.samples import WorstSamples, write_samples
from trainctl.tui.report import page as page_module
from trainctl.tui.report.page import MARK, page
from trainctl.tui.report.subject import MOST_RUNS, read_subject

EVIL = """<script>alert(1)</script>"' onload=x &amp; <img src=//x.test/a.png onerror=y>"""
CSS = (Path(page_module.__file__).parent / "page.css").read_text()


def report(*runs: SyntheticRun | Path) -> str:
    paths = [run.paths if isinstance(run, SyntheticRun) else RunPaths(run) for run in runs]
    return page(read_subject(paths))


def finished(run: SyntheticRun, **summary: object) -> SyntheticRun:
    run.status(RunState.FINISHED)
    values = {"metrics": {"f1": 0.9}, "best": Best("f1", 0.9, 4), "exit_reason": "all epochs done"}
    write_summary(run.paths, Summary(RunState.FINISHED, run.step, 4, 61.0, 64.0, **(values | summary)))  # type: ignore
    return run


def trained(root: Path, name: str, **more: object) -> SyntheticRun:
    run = SyntheticRun(root, name=name, **more).begin()  # type: ignore
    for epoch in range(1, 5):
        run.train(50)
        run.validate(epoch, 1.0 / epoch, 0.2 * epoch)
    return run


def test_one_run_is_told_whole(tmp_path: Path) -> None:
    run = trained(tmp_path, "mine")
    run.events.append(EventKind.LR, 100, **{"from": 1e-3, "to": 5e-4})
    parsed = Parsed(report(finished(run)))
    assert parsed.texts["h1"] == ["mine"]
    assert parsed.texts["h2"][:3] == ["Curves", "Findings", "Final figures"]
    assert {"Loss", "Terms of the loss", "Validation: f1", "Learning rate", "Gradient norm"} <= set(parsed.texts["h3"])
    assert "✓ finished" in parsed.text
    assert "learning rate cut 0.001 -> 5e-4 (plateau)" in parsed.text.replace("  ", " ")


def test_what_the_rules_find_is_told_with_its_figures(tmp_path: Path) -> None:
    run = trained(tmp_path, "broken")
    run.train(10, loss=np.nan, term__bce=np.nan)
    parsed = Parsed(report(finished(run)))
    assert any("N901" in code for code in parsed.texts["span"])
    assert {"where", "why", "figures", "fix"} <= set(parsed.texts["dt"])
    assert re.search(r"step 201\b", parsed.text)
    assert any("could not be" in summary for summary in parsed.texts["summary"])
    assert parsed.texts["title"][0].startswith("broken: wrong")


def test_nothing_is_loaded_and_nothing_runs(tmp_path: Path) -> None:
    document = report(finished(trained(tmp_path, "mine")))
    parsed = Parsed(document)
    assert not {"script", "link", "iframe", "object", "a", "form"} & set(parsed.tags)
    assert all(value.startswith("data:image/png;base64,") for value in parsed.values("src"))
    assert not re.search(r"url\(|@import|https?://", document)
    assert "default-src 'none'" in "".join(parsed.values("content"))


def test_headings_are_in_order(tmp_path: Path) -> None:
    one, other = (finished(trained(tmp_path, name)) for name in ("one", "other"))
    for document in (report(one), report(one, other)):
        levels = [int(tag[1]) for tag in Parsed(document).tags if re.fullmatch(r"h[1-6]", tag)]
        assert levels.count(1) == 1
        assert levels[0] == 1


def test_every_picture_has_words(tmp_path: Path) -> None:
    parsed = Parsed(report(KEPT))
    assert parsed.tags.count("img") == len([value for value in parsed.values("alt") if value]) > 0
    outer = [value for tag, name, value in parsed.attributes if tag == "svg" and name == "aria-labelledby"]
    ids = set(parsed.values("id"))
    assert outer
    assert all(set(value.split()) <= ids for value in outer)
    assert len(parsed.values("id")) == len(ids), "no name twice"


def hostile(root: Path) -> SyntheticRun:
    """A run with the same words in every name that somebody else may choose."""
    run = SyntheticRun(root, name="evil <b>&", preset=EVIL, classes=(EVIL, "open"), scalars=(EVIL,)).begin()
    meta = {"schema": 1, "preset": EVIL, "argv": ["trainctl", EVIL], "data": EVIL, "device": EVIL}
    write_meta(
        run.paths, meta | {"versions": {EVIL: EVIL}, "git": {"revision": EVIL}, "data_id": {EVIL: {"names": EVIL}}}
    )
    run.paths.config.write_text(
        f"task: {EVIL!r}\nprovenance: {{preset: x, scale: small, sources: {{task: {EVIL!r}}}}}\n"
    )
    run.train(60)
    run.events.append(EventKind.VALIDATION, 50, epoch=1, raw={EVIL: 0.5}, best=True, monitor=EVIL, monitor_mode="max")
    for kind in (EventKind.WARNING, EventKind.NOTE, EventKind.NONFINITE):
        run.events.append(kind, 50, text=EVIL)
    run.events.append(EventKind.COMMAND, 50, verb=EVIL, effect=EVIL, id=EVIL, args={})
    run.events.append(EventKind.FINDING, 50, code=EVIL, severity="error", title=EVIL, figures={EVIL: EVIL}, fix=EVIL)
    pictures = np.zeros((1, 4, 4, 3), np.uint8)
    write_samples(run.paths, WorstSamples(50, 1, 9, np.ones(1, np.float32), (EVIL,), (EVIL,), (EVIL,), pictures))
    return run


def test_hostile_names_stay_text(tmp_path: Path) -> None:
    run = hostile(tmp_path)
    calm = finished(trained(tmp_path, "calm"))
    known = {(tag, name) for tag, name, _ in Parsed(report(calm, KEPT)).attributes}
    known |= {(tag, name) for tag, name, _ in Parsed(report(calm)).attributes}
    known |= {("img", "src"), ("img", "alt"), ("pre", "tabindex"), ("h4", "class"), ("article", "class")}
    for document in (report(run), report(run, calm)):
        parsed = Parsed(document)
        assert "script" not in parsed.tags
        assert not [name for _, name, _ in parsed.attributes if name.startswith("on")]
        assert all(value.startswith("data:") for value in parsed.values("src"))
        assert parsed.text.count("<script>alert(1)</script>") > 5
        assert {(tag, name) for tag, name, _ in parsed.attributes} <= known


def test_controls_and_marks_of_direction_do_not_reach_the_page(tmp_path: Path) -> None:
    run = trained(tmp_path, "mine")
    run.events.append(EventKind.NOTE, 5, text="a\x1b[31mred\x00 \u202egnp.exe\ud800")
    document = report(run)
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]", document)
    document.encode()


def contrast(one: str, other: str) -> float:
    """Of two colours, as WCAG 2 defines it."""
    luminances = sorted(map(luminance, (one, other)))
    return (luminances[1] + 0.05) / (luminances[0] + 0.05)


def luminance(colour: str) -> float:
    digits = colour.lstrip("#")
    full = digits if len(digits) == 6 else "".join(digit * 2 for digit in digits)
    parts = [int(full[k : k + 2], 16) / 255 for k in (0, 2, 4)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def palettes() -> list[dict[str, str]]:
    blocks: Sequence[str] = re.findall(r":root \{(.*?)\}", CSS, re.DOTALL)
    return [dict(re.findall(r"--([a-z0-9]+): (#[0-9a-f]+);", block)) for block in blocks]


def test_text_stands_out_in_the_light_and_in_the_dark() -> None:
    light, dark = palettes()
    assert light.keys() == dark.keys()
    for colours in (light, dark):
        for name in ("ink", "soft", "ok", "note", "warning", "error", *(f"i{k}" for k in range(MOST_RUNS))):
            # Lines need 3, but letters beside marks have their colours.
            for paper in ("paper", "shade"):
                assert contrast(colours[name], colours[paper]) >= 4.5, (name, paper, colours[name])


def test_a_long_run_is_a_small_file(tmp_path: Path) -> None:
    run = SyntheticRun(tmp_path, name="long", scalars=tuple("abcdef")).begin()
    run.train(300_000)
    document = report(run)
    assert len(document.encode()) < 500_000
    assert "the band behind it reaches from the least to the greatest" in document


def test_several_runs_lie_over_one_another(tmp_path: Path) -> None:
    runs = [finished(trained(tmp_path, name)) for name in ("one", "two", "three")]
    parsed = Parsed(report(*runs))
    assert parsed.texts["h1"] == ["3 runs compared"]
    lines = [value for tag, _, value in parsed.attributes if tag == "path" and value.startswith("line ")]
    assert {"line i0", "line i1", "line i2"} <= set(lines)
    assert "Nothing differs." not in parsed.text, "none has a configuration"


def test_where_each_value_came_from_and_what_was_promised(tmp_path: Path) -> None:
    root = tmp_path / KEPT.name
    shutil.copytree(KEPT, root)
    with (root / "config.yaml").open("a") as file:
        file.write("\n")
    text = (root / "config.yaml").read_text()
    promised = "  promised:\n  - {figure: final_metric, name: f1, value: [0.9, null], section: §7, text: F1 of .9}\n"
    (root / "config.yaml").write_text(text.replace("  promises:\n", f"{promised}  promises:\n"))
    parsed = Parsed(report(root))
    assert "command line (train.epochs=60)" in parsed.text
    assert "F1 of .9" in parsed.text
    assert "final f1 >= 0.9" in parsed.text
    assert "not measurable" in parsed.text, "one seed is too few"
    assert "0.5854" in parsed.text
    assert any(code.startswith("trainctl run --preset eyes/balanced") for code in parsed.texts["code"])


def test_the_machine_and_the_folder_are_nobody_elses_business(tmp_path: Path) -> None:
    root = tmp_path / KEPT.name
    shutil.copytree(KEPT, root)
    meta = (root / "meta.json").read_text().replace('"host": "example"', '"host": "secret-host"')
    (root / "meta.json").write_text(meta.replace('"cwd": "/home/user"', '"cwd": "/secret/folder"'))
    document = report(root)
    assert "secret" not in document


def test_a_report_says_that_it_is_one(tmp_path: Path) -> None:
    assert MARK in report(finished(trained(tmp_path, "mine")))[:400]


def test_where_the_time_went_and_what_the_machine_did(tmp_path: Path) -> None:
    run = finished(trained(tmp_path, "mine"))
    load = Load(process_cpu_percent=150.0, machine_cpu_percent=80.0, memory_used_bytes=4e9, memory_total_bytes=16e9)
    cards = (Card(0, "H200", use_percent=60.0, power_w=500.0),), (Card(0, "H200", use_percent=90.0),)
    samples = [
        HardwareSample(1.0, 100, 6.0, 2, load, {"data": 1.5, "step": 4.5}, cards[0]),
        HardwareSample(9.0, 200, 18.0, 2, load, {"data": 4.5, "step": 9.0, "validation": 2.4}, cards[1]),
    ]
    run.paths.hardware.write_text("".join(f"{line_of(one)}\n" for one in samples))
    told = report(run)
    assert "data 25%, step 56%, validation 10%, other 9%" in told
    for figure, mean, most in (
        ("GPU use", "82 %", "90 %"),
        ("GPU power", "500 W", "500 W"),
        ("processors of the process", "1.5 of 2 cores", "1.5 of 2 cores"),
        ("memory of the machine", "4 of 16 GB", "4 of 16 GB"),
    ):
        assert f'<th scope="row">{figure}</th><td>{mean}</td><td>{most}</td>' in told
    assert "memory of the process" not in told and "GPU temperature" not in told


def test_a_run_that_was_hardly_watched_says_nothing_of_its_machine(tmp_path: Path) -> None:
    run = finished(trained(tmp_path, "mine"))
    run.paths.hardware.write_text(f"{line_of(HardwareSample(1.0, 100, 6.0, 2, Load(process_cpu_percent=1.0)))}\n")
    assert "Hardware and time" not in report(run)
