"""`--lang` and TRAINCTL_LANG: what the commands of the diagnosis say, in English and in Chinese."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from log_files import SAMPLE
from rich.cells import cell_len

from trainctl.tui.cli.main import run_command_line
from trainctl.tui.cli.output import align
from trainctl.tui.spoken import said_in_columns
from trainctl.tui.words.language import chosen_language, speaking


def printed(capsys: pytest.CaptureFixture[str], *argv: str | Path, code: int = 0) -> str:
    assert run_command_line([str(word) for word in argv]) == code
    return capsys.readouterr().out


@pytest.fixture
def sample(tmp_path: Path) -> Path:
    path = tmp_path / "sample.log"
    path.write_text(SAMPLE, encoding="utf-8")
    return path


def test_the_option_goes_before_the_environment(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    english, chinese = printed(capsys, "explain", "D101"), printed(capsys, "explain", "D101", "--lang", "zh")
    assert english.startswith("D101 single-class batches") and chinese.startswith("D101 单类批次")
    monkeypatch.setenv("TRAINCTL_LANG", "zh")
    assert printed(capsys, "explain", "D101") == chinese
    assert printed(capsys, "explain", "D101", "--lang", "EN") == english
    monkeypatch.setenv("TRAINCTL_LANG", "")
    assert printed(capsys, "explain", "D101") == english


@pytest.mark.parametrize("command", [["diagnose"], ["explain", "D101"], ["rules"], ["verify"]])
def test_another_language_is_refused_in_one_line(
    command: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command_line([*command, "--lang", "fr"]) == 2
    assert capsys.readouterr().err == "trainctl: error: --lang fr: no such language; use en or zh\n"
    monkeypatch.setenv("TRAINCTL_LANG", "zh_CN")
    assert run_command_line(command) == 2
    assert capsys.readouterr().err == "trainctl: error: TRAINCTL_LANG zh_CN: no such language; use en or zh\n"


def test_an_empty_option_is_no_language() -> None:
    assert chosen_language(None) == "en"
    with pytest.raises(Exception, match="no such language"):
        chosen_language("")


def test_a_mistake_is_said_in_it_too(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command_line(["explain", "D1O1", "--lang", "zh"]) == 2
    assert capsys.readouterr().err == "trainctl: error: 没有规则的代码是 'D1O1'; 是不是要找 D101 单类批次？\n"


def test_a_log_is_judged_in_chinese(sample: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = printed(capsys, "diagnose", sample, "--classes", "8", "--lang", "zh", code=3)
    assert "✗ E1013 自相矛盾的后验" in out and "\n  原因 " in out and "\n✗ 有错误：先处理 E1013 自相矛盾的后验（" in out
    assert out.count("E1013") == printed(capsys, "diagnose", sample, "--classes", "8", code=3).count("E1013")


def shape(value: Any) -> Any:
    """A document without its words: keys, and the kinds of what stands there."""
    if isinstance(value, dict):
        return {key: shape(below) for key, below in value.items()}
    return [shape(below) for below in value] if isinstance(value, list) else type(value).__name__


def test_json_has_other_words_under_the_same_keys(
    sample: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asking = ["diagnose", sample, "--classes", "8", "--json"]
    english = json.loads(printed(capsys, *asking, code=3))
    chinese = json.loads(printed(capsys, *asking, "--lang", "zh", code=3))
    assert chinese.pop("lang") == "zh" and shape(chinese) == shape(english)
    (here,), (there,) = english["findings"], chinese["findings"]
    assert there["name"] == "自相矛盾的后验" and there["fix"]["text"] != here["fix"]["text"]
    same = ("code", "severity", "confidence", "primary", "figures")
    assert [there[key] for key in same] == [here[key] for key in same]
    assert (chinese["verdict"], chinese["looked_at"]) == (english["verdict"], english["looked_at"])
    monkeypatch.setenv("TRAINCTL_LANG", "zh")
    assert json.loads(printed(capsys, *asking, code=3))["findings"] == english["findings"]


def test_sarif_names_its_language(sample: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asking = ["diagnose", sample, "--classes", "8", "--sarif", "-"]
    (english,) = json.loads(printed(capsys, *asking, code=3))["runs"]
    (chinese,) = json.loads(printed(capsys, *asking, "--lang", "ZH", code=3))["runs"]
    assert (english["language"], chinese["language"]) == ("en-US", "zh-CN")
    assert shape(english) == shape(chinese)
    assert chinese["results"][0]["message"]["text"].startswith("自相矛盾的后验：")
    assert english["results"][0]["locations"] == chinese["results"][0]["locations"]


def test_explanations_and_the_catalogue_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    for command in (["explain", "D101"], ["rules"]):
        english = json.loads(printed(capsys, *command, "--json"))
        chinese = json.loads(printed(capsys, *command, "--json", "--lang", "zh"))
        assert chinese.pop("lang") == "zh" and shape(chinese) == shape(english) and chinese != english


def test_columns_stay_columns(capsys: pytest.CaptureFixture[str]) -> None:
    lines = printed(capsys, "rules", "--lang", "zh").splitlines()
    rows = [line for line in lines if line[:1] in "CDEGKLNOQR" and line[1:4].isdigit()]
    severities = [(line, word) for line in rows for word in ("错误", "警告", "提示") if f"  {word}" in line]
    assert len(severities) > 50 and {cell_len(line[: line.index(word)]) for line, word in severities} == {7}


def test_a_piece_that_was_filled_up_keeps_its_width() -> None:
    with speaking("zh"):
        assert cell_len(said_in_columns("  where      ")) == len("  where      ")
        assert said_in_columns("where  ") == "位置   " and said_in_columns("where ") == "位置 "
        assert cell_len(said_in_columns("  told apart from ")) == len("  told apart from ")
        assert said_in_columns("– not looked at  ") == "– 未看           "[: len("– 未看") + 12]
        assert align([[("where", ""), ("x", "")], [("q", ""), ("x", "")]])[1][1][0] == "q     "


def test_english_needs_no_tables() -> None:
    asked = "import sys; from trainctl.tui.cli import main; from trainctl.tui.cli.commands import explain, diagnose; "
    asked += "explain.command('D101'); print([name for name in sys.modules if 'languages.' in name])"
    done = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
