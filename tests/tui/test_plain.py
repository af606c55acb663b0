"""Whatever a name holds, no surface hands the terminal something to obey; columns are counted as a terminal does."""

from __future__ import annotations

import ast
import json
import re
import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pilots import LARGE, screen_text, shows, until
from rich.cells import cell_len
from synthetic_run import SyntheticRun

from trainctl.engine.errors import ExitCode
from trainctl.engine.runs.events import EventKind
from trainctl.engine.runs.record import RecordLayout
from trainctl.engine.runs.states import RunState
from trainctl.tui.app import CockpitApp
from trainctl.tui.cli.main import run_command_line
from trainctl.tui.plain import columns, cut, escaped_json, padded, printable

ESC = "\x1b]0;owned\x07\x1b[31m"
NASTY = f"{ESC}a\nb\tc\x9b2J\u202e\u200bd日本🙂[red]"
TUI = Path(__file__).parents[2] / "tui"
COMMANDED = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\u200b]")
"""What a terminal may obey, but for the line breaks and tabs of plain output."""


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("日本語 🙂", "日本語 🙂"),
        ("a\nb\tc\r\nd", "a b c  d"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x9b31m \x07\x7f", " ��"),
        ("\x1b]0;a title\x07x\x1b]52;c;aGk=\x1b\\y\x1bcz", "xyz"),
        ("\x1b\x1b[31m[31m", "�[31m"),
        ("\x1b", "�"),
        ("a\u202eb\u200bc\u2066", "abc"),
        ("a\u00a0b\u2028c", "a b c"),
        ("\ud800 \ue000", "� �"),
        ("e\u0301", "e\u0301"),
    ],
)
def test_text_becomes_printable(text: str, shown: str) -> None:
    assert printable(text) == shown


@given(st.text())
def test_printable_text_is_one_line_that_commands_nothing(text: str) -> None:
    shown = printable(text)
    assert shown.isprintable()
    assert printable(shown) == shown


@given(st.text(), st.integers(min_value=0, max_value=30))
def test_text_is_cut_and_filled_by_columns(text: str, width: int) -> None:
    assert cell_len(cut(text, width)) <= width
    assert cell_len(padded(text, width)) == width
    if columns(text) <= width:
        assert cut(text, width) == printable(text)


@given(st.recursive(st.text() | st.integers(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))
def test_json_on_a_terminal_reads_back_as_it_was(value: object) -> None:
    text = escaped_json(json.dumps(value, ensure_ascii=False, indent=1))
    assert json.loads(text) == value
    assert all(line.isprintable() for line in text.split("\n"))


def test_the_commands_print_through_one_place() -> None:
    """No command writes to the terminal by itself: `output.py` and the live display do."""
    wrong: list[str] = []
    for path in (TUI / "cli" / "commands").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            name = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
            if name in ("print", "typer.echo", "sys.stdout.write", "sys.stderr.write", "console.print"):
                wrong.append(f"{path.name}:{getattr(node, 'lineno', 0)} {name}")
    assert wrong == []


@pytest.fixture
def nasty_run(runs_dir: Path) -> SyntheticRun:
    """A run in which everything that can have a name has a nasty one."""
    run = SyntheticRun(runs_dir, name="20260101-120000-x\x1b[31m-00aa", preset=f"eyes/{NASTY}")
    run.layout = RecordLayout(
        terms=("bce", "aux"),
        groups=("stem", "blocks", f"head{NASTY}"),
        classes=(f"closed{NASTY}", f"open{NASTY}"),
        scalars=(f"scalar{NASTY}",),
    )
    run.begin()
    run.train(50)
    run.events.append(EventKind.NOTE, 50, text=f"note {NASTY}")
    run.events.append(EventKind.WARNING, 50, text=f"warning {NASTY}")
    run.events.append(
        EventKind.VALIDATION, 50, epoch=1, raw={f"f1{NASTY}": 0.5, "loss": 0.4}, monitor=f"f1{NASTY}", best=True
    )
    run.paths.console.write_text(f"printed {ESC}\n")
    run.status(RunState.RUNNING, message=f"doing {NASTY}", device=f"cpu{NASTY}")
    return run


@pytest.mark.parametrize(
    "words",
    ["tail RUN -F -n -1", "tail RUN -F -n -1 --json", "runs", "runs --json", "diagnose RUN", "compare RUN OTHER"],
)
def test_no_command_prints_what_a_terminal_obeys(
    nasty_run: SyntheticRun, words: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    root = nasty_run.paths.root
    monkeypatch.setenv("TRAINCTL_RUNS_DIR", str(root.parent))
    other = root.with_name("other\x9b")
    if "OTHER" in words:
        shutil.copytree(root, other)
    code = run_command_line([{"RUN": str(root), "OTHER": str(other)}.get(word, word) for word in words.split()])
    shown = capsys.readouterr()
    assert code in (ExitCode.OK, ExitCode.FINDINGS), shown.err
    assert len(shown.out) > 100 or "diagnose" in words
    assert not COMMANDED.search(shown.out + shown.err)


def test_an_error_line_is_one_line_that_commands_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command_line(["tail", NASTY]) == ExitCode.USAGE
    err = capsys.readouterr().err
    assert err.count("\n") == 1 and not COMMANDED.search(err)


async def test_the_cockpit_shows_nothing_that_a_terminal_obeys(nasty_run: SyntheticRun) -> None:
    app = CockpitApp(nasty_run.paths)
    async with app.run_test(size=LARGE) as pilot:
        await shows(pilot, "warning ")
        await until(pilot, lambda: "closed" in screen_text(pilot))
        for key in ("r", "escape", "k", "escape", "i", "escape", "question_mark", "escape"):
            await pilot.press(key)
            await pilot.pause()
            text = screen_text(pilot)
            assert not COMMANDED.search(text), text
            assert all(cell_len(line) == LARGE[0] for line in text.split("\n"))


async def test_a_widget_that_forgets_is_seen_to(nasty_run: SyntheticRun) -> None:
    app = CockpitApp(nasty_run.paths)
    async with app.run_test(size=LARGE) as pilot:
        await shows(pilot, "warning ")
        app.screen.styles.border = ("round", "red")
        app.screen.border_title = "title \x1b[31m\x9b2J"
        await shows(pilot, "title ")
        assert not COMMANDED.search(screen_text(pilot))
