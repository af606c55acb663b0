"""Text on its way to cells: said in the language that is spoken, broken by the width of its signs."""

from __future__ import annotations

import threading

import pytest
from rich.cells import cell_len

from trainctl.tui.plain import in_lines
from trainctl.tui.spoken import said, said_in_parts, spoken
from trainctl.tui.words.language import speaking

CHINESE = "损失在第 150 步变为非有限值（NaN），此后没有更新；请把学习率降到 1e-4 并裁剪梯度，参见 docs/diagnosis.md。"


def test_threads_speak_the_language_too():
    heard: list[str] = []
    with speaking("zh"):
        thread = threading.Thread(target=lambda: heard.append(said("no validation yet")))
        thread.start()
        thread.join()
    assert heard == ["还没有验证"] and spoken() == "en" and said("no validation yet") == "no validation yet"


def test_parts_are_said_one_by_one_and_names_stay():
    text = "epoch 3  val  f1 0.88  bce 0.4  912 samples/s"
    assert said_in_parts(text) == text
    with speaking("zh"):
        assert said_in_parts(text) == "第 3 轮  验证  f1 0.88  bce 0.4  912 样本/s"


@pytest.mark.parametrize("width", [8, 20, 33, 80, 200])
def test_lines_of_a_script_without_spaces_lose_nothing_and_begin_with_no_comma(width: int):
    lines = in_lines(CHINESE, width)
    assert "".join(lines).replace(" ", "") == CHINESE.replace(" ", "")
    assert all(cell_len(line) <= width for line in lines)
    assert width < 10 or not any(line[0] in "，。；）" for line in lines)


def test_english_lines_break_between_words():
    assert in_lines("one two three-four five", 10) == ["one two", "three-four", "five"]
