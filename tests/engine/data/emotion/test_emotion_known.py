"""What a network learnt of its data: speakers keep their numbers, and other data must fit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from emotion_files import LENGTHS, WIDTHS, write_npz

from trainctl.engine.data.emotion.known import Known, numbered_speakers
from trainctl.engine.data.emotion.load import load_emotion, read_unlabelled
from trainctl.engine.data.emotion.options import CLASSES, EmotionData
from trainctl.engine.errors import UserError

OPTIONS = EmotionData(val_fraction=0.4)
EMOTIONS = CLASSES["iemocap6"]
KNOWN = Known(tuple(WIDTHS.values()))


def words(*names: str) -> np.ndarray[Any, Any]:
    return np.array(names, object)


def test_what_is_known_survives_a_checkpoint() -> None:
    known = Known((4, 3, 2), ("visual",), ("Ben", "Mia"), True)
    assert Known.of_state(known.state()) == known
    assert Known.of_state({"widths": [4, 3, 2]}) == Known((4, 3, 2))
    assert Known.of_state({}) is None


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        (None, ([0, 1, 0], ("a", "c"), False)),
        (Known((1, 1, 1), speakers=("b", "c")), ([2, 1, 2], ("b", "c", "a"), False)),
        (Known((1, 1, 1), by_dialogue=True), ([0, 0, 0], (), True)),
    ],
)
def test_speakers_keep_the_numbers_of_the_training(known: Known | None, expected: Any) -> None:
    numbers, names, by_dialogue = numbered_speakers(words("a", "c", "a"), np.array([0, 1, 2, 3]), known)
    assert (numbers.tolist(), names, by_dialogue) == expected


def test_too_many_names_are_numbered_in_each_dialogue_whatever_the_file() -> None:
    names = words(*(f"{k:02}" for k in range(16)), "16", "03")
    numbers, found, by_dialogue = numbered_speakers(names, np.array([0, 16, 18]), None)
    assert numbers.tolist() == [*range(16), 1, 0] and found == () and by_dialogue


def test_numbers_stay_as_they_are() -> None:
    numbers, names, by_dialogue = numbered_speakers(
        np.array([7, 3]), np.array([0, 2]), Known((1, 1, 1), speakers=("a",))
    )
    assert (numbers.tolist(), names, by_dialogue) == ([7, 3], (), False)


def test_a_modality_of_zeros_counts_as_absent_and_is_not_used_later(tmp_path: Path) -> None:
    missing = load_emotion(EmotionData(visual=7), 0, write_npz(tmp_path / "a.npz", visual=None)).known
    zeros = load_emotion(OPTIONS, 0, write_npz(tmp_path / "b.npz", visual=np.zeros((15, 7)))).known
    assert missing == zeros == Known((4, 3, 7), ("visual",))
    whole = write_npz(tmp_path / "c.npz")  # 2 features of visual, which the network never saw
    for tensors in (
        load_emotion(OPTIONS, 0, whole, missing).train.tensors,
        read_unlabelled(whole, OPTIONS, missing, EMOTIONS).tensors,
    ):
        assert tensors["visual"].shape[-1] == 7 and not tensors["visual"].any() and tensors["text"].any()


def test_unlabelled_dialogues_are_read_as_labelled_ones(tmp_path: Path) -> None:
    """Labels that are not there, that are none, or that name no class: nobody reads them."""
    for name, labels in (("none", None), ("minus", np.full(15, -1)), ("words", np.array(["?"] * 15))):
        found = read_unlabelled(write_npz(tmp_path / f"{name}.npz", labels=labels), OPTIONS, KNOWN, EMOTIONS)
        assert found.names == [f"dialogue {k}" for k in range(5)]
        assert [len(part) for part in found.speakers] == list(LENGTHS)
        there = torch.arange(max(LENGTHS)) < torch.tensor(LENGTHS)[:, None]
        assert torch.equal(found.tensors["labels"], torch.where(there, 0, -1))
        assert found.tensors["text"][there].all() and not found.tensors["text"][~there].any()


def test_an_empty_dialogue_has_no_answer(tmp_path: Path) -> None:
    file = write_npz(tmp_path / "d.npz", offsets=None, lengths=np.array([3, 0, 12]), labels=None)
    found = read_unlabelled(file, OPTIONS, KNOWN, EMOTIONS)
    assert found.names == ["dialogue 0", "dialogue 2"] and [len(part) for part in found.speakers] == [3, 12]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"text": None, "audio": None}, "has no text and no audio; the network was trained on text, audio, visual"),
        ({"text": np.zeros((15, 3))}, "text of .* has 3 features, the network was trained on 4"),
        ({"visual": np.zeros((15, 0))}, "visual of .* has 0 features, the network was trained on 2"),
        ({"audio": np.full((15, 3), np.nan)}, "audio of utterance 0 .* is not finite"),
        ({"offsets": None}, "has no array offsets or lengths"),
    ],
)
def test_what_does_not_fit_is_one_clear_line(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    file = write_npz(tmp_path / "d.npz", **changes)
    with pytest.raises(UserError, match=said) as caught:
        read_unlabelled(file, OPTIONS, KNOWN, EMOTIONS)
    assert str(file) in str(caught.value) and caught.value.hint and "\n" not in str(caught.value)
    with pytest.raises(UserError, match=said):
        load_emotion(OPTIONS, 0, file, KNOWN)


def test_the_built_in_dialogues_must_fit_too() -> None:
    with pytest.raises(UserError, match="text of the built-in data has 768 features, the network was trained on 4"):
        load_emotion(OPTIONS, 0, None, KNOWN)
