"""A message is said in another language as far as it is known: nothing is lost, and nothing takes long."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainctl.engine.languages.phrasebook import Phrasebook, phrasebook
from trainctl.engine.languages.tables import Tables, alternatives, read_entries, read_tables
from trainctl.engine.languages.templates import templates_of
from trainctl.engine.languages.typography import joined

BOOK = Phrasebook(
    "zh",
    Tables(
        phrases={
            "{1} rose from {#2} to {#3}": "{1} 从 {2} 升到 {3}",
            "{#1} spike(s) of {2}{3}": "{2} 出现 {1} 次尖峰{3}",
            "not recovered from": "未恢复",
            "learning rate up to {#1}": "学习率最高 {1}",
            " in all {#1} values": "，{1} 个值都如此",
            "{1} to {2}": "{1} 至 {2}",
            "line {1}{2}": "第 {1} 行{2}",
            "epoch {#1}": "第 {1} 轮",
            "first {1}; {2} in {3}": "{3} 中先是 {1}；{2*}",
            "collapse (mean cosine {#1})": "坍缩（平均余弦 {1}）",
            "training loss": "训练损失",
            "{1} has no {2}": "{1} 没有 {2}",
        },
        words={"data": "数据", "loss": "损失", "error": "错误", "proven": "确证"},
        names={"single-class batches": "单类批次"},
    ),
)


@pytest.mark.parametrize(
    ("english", "chinese"),
    [
        ("val_loss rose from 0.2 to 1,234", "val_loss 从 0.2 升到 1,234"),
        ("training loss rose from 0.2 to .5", "训练损失从 0.2 升到 .5"),
        ("1 spike of loss", "loss 出现 1 次尖峰"),
        ("3 spikes of loss, not recovered from", "loss 出现 3 次尖峰，未恢复"),
        ("a rose from 1 to 2; learning rate up to 0.1", "a 从 1 升到 2；学习率最高 0.1"),
        ("; learning rate up to 0.1", "；学习率最高 0.1"),
        ("it is 3 in all 30 values", "it is 3，30 个值都如此"),
        ("line 3 (epoch 2) to line 9 (epoch 4)", "第 3 行（第 2 轮）至第 9 行（第 4 轮）"),
        ("D101 single-class batches: training loss", "D101 单类批次：训练损失"),
        (
            "D101 single-class batches, K403 collapse (mean cosine .02)",
            "D101 单类批次，K403 collapse (mean cosine .02)",
        ),
        ("✗ D101 single-class batches   ", "✗ D101 单类批次   "),
        ("error, proven · data", "错误，确证 · 数据"),
        ("loss (training loss)", "loss（训练损失）"),
    ],
)
def test_what_is_known_is_said(english: str, chinese: str) -> None:
    assert BOOK.say(english) == chinese


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   ",
        "0.5",
        "model.temper=dimension",
        "nothing of this is in any table",
        "the cat has no idea what to do here",
        "data and loss of somebody",
    ],
)
def test_what_is_not_known_stays_english(text: str) -> None:
    assert BOOK.say(text) == text


def test_names_are_not_taken_for_words() -> None:
    assert BOOK.say("loss rose from 1 to 2") == "loss 从 1 升到 2"
    assert BOOK.say("loss") == "损失"


def test_english_says_everything_as_it_is() -> None:
    assert phrasebook("en").say("training loss rose from 0.2 to .5") == "training loss rose from 0.2 to .5"


CHINESE = phrasebook("zh")
TABLES = read_tables(Path(__file__).parents[3] / "engine" / "languages" / "zh")
FIGURES = ["3", "0.5", "1,234", "−0.25", "1e-05", "12%", "nan", ".02"]
NAMES = ["val_loss", "ce", "合格", "train/acc", "enc.0", "x9"]


@given(st.sampled_from(sorted(key for key in TABLES.phrases if "{" in key)), st.data())
def test_a_filled_template_keeps_what_stands_in_its_gaps(key: str, data: st.DataObject) -> None:
    template = data.draw(st.sampled_from(list(templates_of(key))))
    touching = {number for pair in template.touching for number in pair}
    values = [
        "" if number in touching else data.draw(st.sampled_from(FIGURES if is_figure else NAMES))
        for number, is_figure in zip(template.numbers, template.is_figure, strict=True)
    ]
    pieces = zip(template.literals, [*values, ""], strict=True)
    said = CHINESE.say("".join(literal + value for literal, value in pieces))
    expected = [value for n, value in zip(template.numbers, values, strict=True) if f"{{{n}" in TABLES.phrases[key]]
    assert [value for value in expected if value not in said] == []


@given(st.text(max_size=300))
def test_any_text_is_survived(text: str) -> None:
    said = CHINESE.say(text)
    assert [sign for sign in text if sign.isdigit()] == [sign for sign in said if sign.isdigit()] or text != said


@given(st.sampled_from(sorted(text for text in TABLES.phrases.values() if re.search("[\u4e00-\u9fff]", text))))
def test_what_is_chinese_stays_as_it_is(text: str) -> None:
    filled = text.replace("*}", "}")
    for number in range(1, 12):
        filled = filled.replace(f"{{{number}}}", "0.5")
    assert CHINESE.say(filled) == filled


@pytest.mark.parametrize(
    "text",
    ["a, " * 600, "(" * 1900, "x to " * 390, "; ".join(["loss rose from 1 to"] * 90), "a: b; c, d and e. " * 100],
)
def test_long_texts_take_no_time(text: str) -> None:
    began = time.process_time()
    CHINESE.say(text)
    assert time.process_time() - began < 2.0


def test_an_entry_may_go_on_and_be_for_several_templates(tmp_path: Path) -> None:
    table = tmp_path / "t.txt"
    table.write_text("# a comment\nit [is|was]\nso\n    就是\n    这样\n\n␣at the end\n    ，最后\n", encoding="utf-8")
    assert list(read_entries(table)) == [(2, "it [is|was] so", "就是这样"), (7, " at the end", "，最后")]
    assert alternatives("it [is|was] so") == ["it is so", "it was so"]


def test_a_table_with_a_mistake_says_where(tmp_path: Path) -> None:
    (tmp_path / "t.txt").write_text("no translation\n\nother\n    另\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"t.txt, line 1: 'no translation' has no translation"):
        read_tables(tmp_path)
    (tmp_path / "t.txt").write_text("one\n    一\none\n    壹\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"t.txt, line 3: 'one' is there already"):
        read_tables(tmp_path)


def test_the_tables_are_read_at_once() -> None:
    began = time.process_time()
    Phrasebook("zh", read_tables(Path(__file__).parents[3] / "engine" / "languages" / "zh"))
    assert time.process_time() - began < 0.3  # 30 ms on an idle machine


def test_spaces_are_kept() -> None:
    assert joined("  ", "训练") == "  训练"
