"""Dialogues of the user's own: .npz and pickles, and what is said of those that do not fit."""

from __future__ import annotations

import os
import pickle
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from emotion_files import LENGTHS, WIDTHS, field_parts, flat_arrays, write_npz
from hostile_files import bounded, damage

from trainctl.engine.data.batch import Split, Splits
from trainctl.engine.data.emotion import dialogues
from trainctl.engine.data.emotion.load import load_emotion
from trainctl.engine.data.emotion.options import EmotionData
from trainctl.engine.errors import UserError

OPTIONS = EmotionData(val_fraction=0.4)
CASES = int(os.environ.get("TRAINCTL_FUZZ_CASES", "0")) or 150


def pickled(file: Path, protocol: int = 2, **changes: Any) -> Path:
    """The field's pickle of five dialogues."""
    parts = {name: part for name, part in (field_parts() | changes).items() if part is not None}
    file.write_bytes(pickle.dumps(tuple(parts.values()), protocol))
    return file


def by_name(splits: Splits) -> dict[str, dict[str, torch.Tensor]]:
    """Tensors of each dialogue of all splits."""
    found: dict[str, dict[str, torch.Tensor]] = {}
    sides: list[Split] = [splits.train, splits.val, *([splits.test()] if splits.test else [])]
    for split in sides:
        for row, name in enumerate(split.names):
            assert name not in found
            found[name] = {key: tensor[row] for key, tensor in split.tensors.items()}
    return found


def require_as_written(splits: Splits, name: Callable[[int], str]) -> None:
    """Every dialogue is there once, padded, with its own values."""
    arrays, found = flat_arrays(), by_name(splits)
    assert set(found) == {name(k) for k in range(len(LENGTHS))}
    for k, num in enumerate(LENGTHS):
        tensors, begin = found[name(k)], int(arrays["offsets"][k])
        for modality in WIDTHS:
            expected = torch.zeros(max(LENGTHS), WIDTHS[modality])
            expected[:num] = torch.from_numpy(arrays[modality][begin : begin + num]).float()
            assert torch.equal(tensors[modality], expected)
        assert tensors["labels"][:num].tolist() == arrays["labels"][begin : begin + num].tolist()
        assert tensors["labels"][num:].tolist() == [-1] * (max(LENGTHS) - num)
        assert int(tensors["lengths"]) == num


@pytest.mark.parametrize("cut", ["offsets", "lengths"])
@pytest.mark.parametrize("name", ["d.npz", "d.dat"])
def test_an_npz_is_read_as_it_was_written(tmp_path: Path, cut: str, name: str) -> None:
    changes = {"offsets": None, "lengths": np.array(LENGTHS)} if cut == "lengths" else {}
    file = write_npz(tmp_path / "d.npz", **changes).rename(tmp_path / name)
    splits = load_emotion(OPTIONS, 0, file)
    require_as_written(splits, lambda k: f"dialogue {k}")
    assert splits.test is None and splits.train.labels is None and splits.classes[0] == "happy"
    assert "held out at random (the data name no validation): 3 train, 2 validate" in "\n".join(splits.notes)


@pytest.mark.parametrize("split", [[0, 0, 1, 2, 0], ["train", "TRAIN", "dev", "test", "training"]])
def test_the_split_of_an_npz_is_used_as_it_stands(tmp_path: Path, split: list[Any]) -> None:
    file = write_npz(tmp_path / "d.npz", split=np.array(split), names=np.array(list("abcde")))
    splits = load_emotion(OPTIONS, 0, file)
    assert splits.test is not None
    assert [list(part.names) for part in (splits.train, splits.val, splits.test())] == [list("abe"), ["c"], ["d"]]
    assert any("split: as the data name it: 3 train, 1 validate" in note for note in splits.notes)


def test_emotions_and_speakers_may_be_words(tmp_path: Path) -> None:
    words = np.array(["joy", "calm", "joy"] * 5)
    file = write_npz(tmp_path / "d.npz", labels=words, speakers=np.array(["Ann", "Bob", "Cy"] * 5))
    splits = load_emotion(OPTIONS, 0, file)
    assert splits.classes == ("calm", "joy")
    assert by_name(splits)["dialogue 0"]["labels"].tolist() == [1, 0, 1, -1, -1]
    assert by_name(splits)["dialogue 0"]["speakers"].tolist() == [0, 1, 2, 0, 0]
    named = load_emotion(OPTIONS, 0, write_npz(tmp_path / "n.npz", classes=np.array(list("uvwxyz"))))
    assert named.classes == tuple("uvwxyz")


def test_what_has_no_label_is_left_out_and_said(tmp_path: Path) -> None:
    labels = flat_arrays()["labels"]
    labels[[1, 9]] = -1  # the second of the first dialogue, and all of the fourth
    splits = load_emotion(OPTIONS, 0, write_npz(tmp_path / "d.npz", labels=labels))
    notes = "\n".join(splits.notes)
    assert "2 of 15 utterances have no label (−1) and were left out" in notes
    assert "1 of 5 dialogues have no utterance with a label, first dialogue 3" in notes
    assert by_name(splits)["dialogue 0"]["labels"].tolist() == [0, 2, -1, -1, -1]


def test_a_modality_that_is_missing_becomes_zeros_of_the_width_asked_for(tmp_path: Path) -> None:
    splits = load_emotion(EmotionData(visual=7), 0, write_npz(tmp_path / "d.npz", visual=None))
    assert splits.train.tensors["visual"].shape[-1] == 7 and not splits.train.tensors["visual"].any()
    assert "no visual features in the data: 7 zeros each" in splits.notes


NAN = flat_arrays()["audio"]
NAN[4, 1] = np.nan


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"text": None, "audio": None, "visual": None}, "has no array text or audio or visual"),
        ({"labels": None}, "has no array labels"),
        ({"offsets": None}, "has no array offsets or lengths"),
        ({"offsets": np.array([1, 15])}, "offsets do not begin with 0"),
        ({"offsets": np.array([0, 9, 4, 15])}, "makes dialogue 1 shorter than nothing"),
        ({"offsets": np.array([0, 3])}, "text has 15 entries, there are 3 utterances"),
        ({"offsets": np.array([0, 2**40])}, "says that there are"),
        ({"offsets": np.array([0.5, 15])}, "give whole numbers"),
        ({"labels": np.arange(14) % 6}, "labels has 14 entries, there are 15 utterances"),
        ({"labels": np.full(15, 6)}, r"labels run to 6, data\.classes=iemocap6 has 0 … 5; set data\.classes=meld7"),
        ({"labels": np.full(15, -1)}, "has no utterance with a label"),
        ({"labels": np.full(15, -2)}, "labels of utterance 0 of dialogue dialogue 0 is -2"),
        ({"labels": np.full(15, np.nan)}, r"labels\[0\] is nan"),
        ({"speakers": np.full(15, -1)}, "speakers of utterance 0 .* is -1"),
        ({"audio": NAN}, "audio of utterance 1 of dialogue dialogue 1 is not finite"),
        ({"audio": np.zeros(15)}, "audio has 1 dimensions"),
        ({"audio": np.full((15, 2), 1e300)}, "audio of utterance 0 of dialogue dialogue 0 is not finite"),
        ({"names": np.array(["a"])}, "names has 1 entries, there are 5 dialogues"),
        ({"split": np.array([0, 1, 2, 3, 0])}, r"split\[3\] is 3"),
        ({"split": np.array([2, 2, 2, 2, 2])}, "names 0 dialogues to train on"),
        ({"split": np.array([1, 2, 2, 2, 2])}, "names no dialogue to train on"),
        ({"classes": np.array(["a"])}, "give two or more names"),
        ({"labels": np.array([{}] * 15, object)}, "holds Python objects"),
    ],
)
def test_what_does_not_fit_in_an_npz_is_one_clear_line(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError, match=said) as caught:
        load_emotion(OPTIONS, 0, write_npz(tmp_path / "d.npz", **changes))
    assert str(tmp_path) in str(caught.value) and caught.value.hint and "\n" not in str(caught.value)


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("name", ["d.pkl", "d"])
def test_the_pickle_of_the_field_is_read_as_it_was_written(tmp_path: Path, protocol: int, name: str) -> None:
    splits = load_emotion(OPTIONS, 0, pickled(tmp_path / name, protocol))
    require_as_written(splits, lambda k: f"d{k}")
    assert splits.test is not None
    assert list(splits.test().names) == ["d1", "d3"]
    assert (len(splits.train), len(splits.val)) == (2, 1)
    assert "held out at random (the data name no validation)" in "\n".join(splits.notes)
    # F is 0 and M is 1, in every dialogue.
    assert by_name(splits)["d1"]["speakers"].tolist() == [0, 1, 0, 0, 0]


def as_lists(table: dict[str, Any]) -> dict[str, Any]:
    """Utterances as lists of numbers."""
    return {key: [row.tolist() for row in rows] for key, rows in table.items()}


def test_its_parts_may_be_arrays_lists_sets_and_vectors(tmp_path: Path) -> None:
    parts = field_parts()
    changes: dict[str, Any] = {
        "speakers": {
            key: [[0, 0, 1] if who == "M" else [1, 0, 0] for who in row] for key, row in parts["speakers"].items()
        },
        "labels": {key: np.array(row) for key, row in parts["labels"].items()},
        "text": as_lists(parts["text"]),
        "audio": {key: np.array(rows, np.float32) for key, rows in parts["audio"].items()},
        "train": {"d0", "d4", "d2"},
        "test": np.array(["d1", "d3"]),
    }
    audio = flat_arrays()["audio"].astype(np.float32)
    splits = load_emotion(OPTIONS, 0, pickled(tmp_path / "d.pkl", **changes))
    found = by_name(splits)
    assert set(found) == {f"d{k}" for k in range(5)}
    assert parts["speakers"]["d1"] == ["F", "M"] and found["d1"]["speakers"].tolist() == [0, 2, 0, 0, 0]
    assert torch.equal(found["d4"]["audio"], torch.from_numpy(audio[10:]))


def test_meld_has_no_pictures_and_two_dictionaries_of_labels(tmp_path: Path) -> None:
    second = {key: [label % 3 for label in row] for key, row in field_parts()["labels"].items()}
    file = pickled(tmp_path / "d.pkl", visual=None, second=second)
    first = load_emotion(EmotionData(classes="meld7", val_fraction=0.4), 0, file)
    assert first.classes[6] == "anger" and any("data.labels=second" in note for note in first.notes)
    other = load_emotion(EmotionData(classes="numbered", labels="second", val_fraction=0.4), 0, file)
    assert other.classes == ("class 0", "class 1", "class 2")
    assert by_name(other)["d4"]["labels"].tolist() == [label % 3 for label in by_name(first)["d4"]["labels"].tolist()]
    ten = load_emotion(OPTIONS, 0, pickled(tmp_path / "ten.pkl", second=second))
    require_as_written(ten, lambda k: f"d{k}")
    with pytest.raises(UserError, match="has one dictionary of labels"):
        load_emotion(EmotionData(labels="second"), 0, pickled(tmp_path / "one.pkl"))


def without(table: dict[str, Any], key: str = "d0") -> dict[str, Any]:
    """The dictionary lacks an entry."""
    return {name: value for name, value in table.items() if name != key}


PARTS = field_parts()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"sentences": None, "visual": None}, r"holds dict, dict, .*; the field's pickles hold \(ids, speakers"),
        ({"labels": without(PARTS["labels"])}, "labels lacks dialogue d0"),
        ({"text": without(PARTS["text"])}, "text lacks dialogue d0"),
        ({"labels": PARTS["labels"] | {"d0": [0, 1]}}, "dialogue d0 has 3 utterances in text and 2 labels"),
        ({"labels": PARTS["labels"] | {"d0": [0, 1, "x"]}}, "labels of utterance 2 of dialogue d0 is no whole number"),
        ({"labels": PARTS["labels"] | {"d0": 3}}, "labels of dialogue d0 is int"),
        ({"audio": PARTS["audio"] | {"d0": [[1.0, 2.0]] * 3}}, "audio of utterance 0 of dialogue d0 has 2 features"),
        ({"audio": PARTS["audio"] | {"d0": ["abc"] * 3}}, "audio of utterance 0 of dialogue d0 is str"),
        ({"train": ["d0", "d1"]}, "dialogue d1 is among train and test ids"),
        ({"train": ["d0"]}, "names 1 dialogues to train on"),
        ({"train": [("d0",)]}, "an id of a dialogue is tuple"),
        ({"train": [], "test": []}, "names no dialogue to train on or to test"),
    ],
)
def test_what_does_not_fit_in_a_pickle_is_one_clear_line(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError, match=said) as caught:
        load_emotion(OPTIONS, 0, pickled(tmp_path / "d.pkl", **changes))
    assert str(tmp_path) in str(caught.value) and caught.value.hint and "\n" not in str(caught.value)


def test_dialogues_that_are_neither_train_nor_test_are_said(tmp_path: Path) -> None:
    splits = load_emotion(OPTIONS, 0, pickled(tmp_path / "d.pkl", test=["d1"]))
    assert "1 dialogues are neither train nor test ids and were left out" in splits.notes


def test_what_is_no_such_file_is_said(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("a,b\n1,2\n")
    for path, said in (("none", "no file or folder"), (".", "is a folder"), ("a.csv", "neither an .npz nor a pickle")):
        with pytest.raises(UserError, match=said):
            load_emotion(OPTIONS, 0, tmp_path / path)


def test_dialogues_that_would_not_fit_into_memory_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dialogues, "MOST_BYTES", 800)
    with pytest.raises(UserError, match=r"5 dialogues of up to 5 utterances with 9 features in .* the limit is"):
        load_emotion(OPTIONS, 0, write_npz(tmp_path / "d.npz"))


def strange(chance: random.Random) -> Any:
    """An array that NumPy can save and nobody expects."""
    shape = chance.choice([(), (0,), (15,), (5,), (6,), (15, 4), (15, 0), (15, 2, 2), (1, 15), (14,)])
    plain = np.full(shape, chance.choice([0.0, 1.0, np.nan, np.inf, -1.0, 1e300, 2.0**63, 15.0]))
    with np.errstate(all="ignore"):
        return plain.astype(chance.choice(["f2", ">f4", "f8", "c8", "U3", "S2", "i1", "u8", "?", "i8"]))


def test_damaged_or_strange_files_are_loaded_or_refused_in_one_line(tmp_path: Path) -> None:
    refused = 0
    for seed in range(CASES):
        chance = random.Random(seed)
        root = tmp_path / str(seed)
        root.mkdir()
        if seed % 3:
            arrays = [*flat_arrays(), "lengths", "split", "names", "classes"]
            file = write_npz(root / "d.npz", **{chance.choice(arrays): strange(chance) for _ in range(1 + seed % 2)})
        else:
            file = chance.choice([write_npz, pickled])(root / chance.choice(["d.npz", "d.pkl"]))
            file = next(root.iterdir())
        if chance.random() < 0.4:
            damage(root, chance)
        try:
            with bounded():
                load_emotion(OPTIONS, seed, file)
        except UserError as error:
            refused += 1
            assert error.hint and "\n" not in str(error), seed
    assert CASES * 0.4 < refused < CASES
