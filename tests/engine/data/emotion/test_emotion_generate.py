"""The built-in dialogues: what they are like, and that context says more than an utterance."""

from __future__ import annotations

import time

import numpy as np
import pytest
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.metrics import f1_score

from trainctl.engine.data.emotion.dialogues import Dialogues
from trainctl.engine.data.emotion.generate import Course, generate
from trainctl.engine.data.emotion.load import load_emotion
from trainctl.engine.data.emotion.options import CLASSES, EmotionData
from trainctl.engine.errors import UserError

SMALL = (48, 16, 32)


def draw(seed: int, dims: tuple[int, int, int] = SMALL, num: int = 151, **options: object) -> Dialogues:
    """Dialogues as the options say."""
    chosen = EmotionData.model_validate(options)
    course = Course(**{name: getattr(chosen, name) for name in Course.__dataclass_fields__})
    return generate(num, dims, course, seed)


def around(features_ND: np.ndarray, drawn: Dialogues, reach: int) -> np.ndarray:
    """Of each utterance: the mean over the same speaker's within reach, and over everybody's."""
    own, all_of_them = np.zeros_like(features_ND), np.zeros_like(features_ND)
    for begin, end in zip(drawn.offsets[:-1].tolist(), drawn.offsets[1:].tolist(), strict=True):
        speakers, place = drawn.speakers[begin:end], np.arange(end - begin)
        near = np.abs(place[:, None] - place) <= reach
        for into, chosen in ((own, near & (speakers[:, None] == speakers)), (all_of_them, near)):
            into[begin:end] = chosen @ features_ND[begin:end] / chosen.sum(1, keepdims=True)
    return np.concatenate([own, all_of_them], axis=1)


def probe(features_ND: np.ndarray, drawn: Dialogues) -> float:
    """Weighted F1 of a linear probe on the last fifth of the dialogues."""
    is_test = np.arange(len(drawn.labels)) >= drawn.offsets[round(len(drawn) * 0.8)]
    fitted = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=0.02).fit(
        features_ND[~is_test], drawn.labels[~is_test]
    )
    return float(f1_score(drawn.labels[is_test], fitted.predict(features_ND[is_test]), average="weighted"))


def test_the_same_arguments_give_the_same_dialogues_and_another_seed_others() -> None:
    first, again, other = draw(3), draw(3), draw(4)
    assert np.array_equal(first.text, again.text) and np.array_equal(first.labels, again.labels)
    assert not np.array_equal(first.labels[:500], other.labels[:500])


def test_dialogues_have_the_lengths_speakers_and_shares_that_are_asked_for() -> None:
    drawn = draw(0)
    assert len(drawn) == 151 and (drawn.lengths.min(), drawn.lengths.max()) == (8, 110)
    assert set(drawn.speakers.tolist()) == {0, 1}
    shares = np.bincount(drawn.labels) / len(drawn.labels)
    assert CLASSES["iemocap6"][int(shares.argmin())] == "happy" and shares.min() < 0.1 < 0.2 < shares.max()
    alike = np.bincount(draw(0, imbalance=0).labels) / len(drawn.labels)
    assert alike.max() - alike.min() < 0.1 < shares.max() - shares.min()
    assert set(draw(0, speakers=5, classes="meld7").speakers.tolist()) == set(range(5))


def test_an_emotion_stays_with_its_speaker() -> None:
    def kept(drawn: Dialogues) -> float:
        hits: list[bool] = []
        for begin, end in zip(drawn.offsets[:-1].tolist(), drawn.offsets[1:].tolist(), strict=True):
            for who in (0, 1):
                own = drawn.labels[begin:end][drawn.speakers[begin:end] == who]
                hits += (own[1:] == own[:-1]).tolist()
        return float(np.mean(hits))

    assert kept(draw(0)) > 0.8 and kept(draw(0, inertia=0)) < 0.5


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_an_utterance_says_about_half_and_its_neighbours_clearly_more(seed: int) -> None:
    drawn = draw(seed)
    features_ND = np.concatenate([drawn.text, drawn.audio, drawn.visual], axis=1)
    alone, together = probe(features_ND, drawn), probe(np.hstack([features_ND, around(features_ND, drawn, 4)]), drawn)
    assert 0.48 < alone < 0.62 and together > alone + 0.08
    assert max(probe(part, drawn) for part in (drawn.text, drawn.audio, drawn.visual)) < alone - 0.05


def test_without_inertia_the_neighbours_say_little() -> None:
    drawn = draw(0, inertia=0, reaction=0)
    features_ND = np.concatenate([drawn.text, drawn.audio, drawn.visual], axis=1)
    assert probe(np.hstack([features_ND, around(features_ND, drawn, 4)]), drawn) < probe(features_ND, drawn) + 0.05


def test_at_full_width_they_are_there_at_once() -> None:
    begin = time.perf_counter()
    splits = load_emotion(EmotionData(), 0, None)
    assert time.perf_counter() - begin < 3
    assert splits.test is not None
    assert (len(splits.train), len(splits.val), len(splits.test())) == (108, 12, 31)
    assert splits.train.tensors["text"].shape == (108, 110, 768)


def test_no_feature_at_all_is_refused_and_one_modality_is_enough() -> None:
    with pytest.raises(UserError, match=r"data\.text, data\.audio and data\.visual are all 0"):
        load_emotion(EmotionData(text=0, audio=0, visual=0), 0, None)
    with pytest.raises(UserError, match=r"take .* in memory, the limit is"):
        load_emotion(EmotionData(text=10**9), 0, None)
    splits = load_emotion(EmotionData(text=8, audio=0, visual=0, dialogues=10, masked=0.9), 0, None)
    assert splits.train.tensors["audio"].shape[-1] == 0 and bool(splits.train.tensors["text"].any())
