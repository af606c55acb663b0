"""The built-in dialogues: drawn from the seed alone, so that the task runs with no download.

Who speaks, what each one feels and how it shows: a speaker tends to keep an emotion, and where it changes, it answers
that of who spoke before. Each modality tells some emotions apart and takes others for alike; often one of them is
nothing but noise; voices and faces differ from person to person. So one utterance says about half, its neighbours say
more. Knows no split and no configuration.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trainctl.engine.data.emotion.dialogues import Dialogues, Floats, Integers
from trainctl.engine.data.emotion.options import CLASSES, MODALITIES

SHARES = {
    "iemocap6": (648, 1245, 1708, 1103, 1041, 1849),
    "iemocap4": (648, 1245, 1708, 1103),
    "meld7": (6436, 1636, 358, 1002, 2308, 361, 1607),
}
"""Utterances of each emotion in the data of that name."""
KIN = (("happy", "excited", "joy", "surprise"), ("angry", "frustrated", "anger", "disgust"), ("sad", "sadness", "fear"))
"""Emotions that follow each other when somebody answers; neutral is kin of none."""
ALIKE = {
    "text": (("neutral", "frustrated"), ("excited", "happy"), ("anger", "disgust"), ("joy", "surprise")),
    "audio": (("sad", "neutral"), ("angry", "excited"), ("sadness", "neutral"), ("anger", "surprise")),
    "visual": (("angry", "frustrated"), ("neutral", "happy"), ("fear", "sadness"), ("neutral", "joy")),
}
"""Emotions that show nearly alike in a modality, but not in every other."""
CLEARNESS = {"text": 3.2, "audio": 2.3, "visual": 2.0}
"""Distance of two emotions in a modality, in deviations of its noise."""
LIKENESS = 0.75
"""How much closer those that show alike are: 1 is the same."""
LATENT = 12
"""Directions in which utterances differ; features are mixtures of them."""
PERSON = {"text": 0.3, "audio": 0.9, "visual": 0.9}
"""How much people differ, in deviations of the noise between utterances."""
GRAIN = 0.5
"""Deviation of the noise of each single feature."""
SAME_TURN = 0.25
"""Probability that who speaks goes on speaking."""
MOOD = 0.5
"""Share of a dialogue's own preference for some emotions in what comes next by chance."""
STRUCTURE_SEED = 20251103
"""How emotions show is the same whatever the seed of a run: other seeds draw other dialogues."""


@dataclass(frozen=True)
class Course:
    """How the built-in dialogues go; as the options of the same names."""

    classes: str
    speakers: int
    utterances: tuple[int, int]
    inertia: float
    reaction: float
    imbalance: float
    noise: float
    masked: float


def generate(num: int, dims: Sequence[int], course: Course, seed: int) -> Dialogues:
    """Draw dialogues.

    Args:
        num: dialogues.
        dims: features of text, audio and visual.
        course: how they go.
        seed: the dialogues are a function of the arguments alone.
    """
    rng = np.random.default_rng(seed)
    lengths_D = _lengths(num, course.utterances, rng)
    speakers_DL = _turns(num, int(lengths_D.max()), course.speakers, rng)
    labels_DL = _emotions(speakers_DL, course, rng)
    there_DL = np.arange(speakers_DL.shape[1]) < lengths_D[:, None]
    labels_N, speakers_N = labels_DL[there_DL], speakers_DL[there_DL]
    person_N = np.repeat(np.arange(num), lengths_D) * course.speakers + speakers_N
    masked_NM = _masked(len(labels_N), course.masked, [width > 0 for width in dims], rng)
    text, audio, visual = (
        _features(name, width, labels_N, person_N, masked_NM[:, column], course, rng)
        for column, (name, width) in enumerate(zip(MODALITIES, dims, strict=True))
    )
    offsets = np.concatenate([[0], np.cumsum(lengths_D)]).astype(np.int64)
    names = [f"built-in dialogue {row}" for row in range(num)]
    classes, origin = _names(course.classes), "the built-in dialogues"
    return Dialogues(text, audio, visual, labels_N, speakers_N, offsets, names, classes, origin)


def _names(classes: str) -> tuple[str, ...]:
    return CLASSES.get(classes, CLASSES["iemocap6"])


def _lengths(num: int, utterances: tuple[int, int], rng: np.random.Generator) -> Integers:
    """Utterances of each dialogue: the same lengths under every seed, in another order; most are short."""
    least, most = min(utterances), max(utterances)
    spread_D = np.linspace(0, 1, num) ** 1.5
    return rng.permutation(np.round(least + (most - least) * spread_D).astype(np.int64))


def _turns(num: int, longest: int, num_speakers: int, rng: np.random.Generator) -> Integers:
    """Who speaks, (D, L): the same one again, or one of the others."""
    goes_on_DL = rng.random((num, longest)) < SAME_TURN
    step_DL = rng.integers(1, max(num_speakers, 2), (num, longest))
    return np.cumsum(np.where(goes_on_DL, 0, step_DL), axis=1) % num_speakers


def _emotions(speakers_DL: Integers, course: Course, rng: np.random.Generator) -> Integers:
    """What each speaker feels, (D, L): one step at a time, all dialogues at once."""
    num, longest = speakers_DL.shape
    chances_C = _chances(course)
    mood_DC = MOOD * rng.dirichlet(2 * len(chances_C) * chances_C, num) + (1 - MOOD) * chances_C
    answers_CC = _answers(course)
    draws_L3D = rng.random((longest, 3, num))
    own_DS = _drawn(np.repeat(mood_DC, course.speakers, axis=0), rng.random(num * course.speakers))
    own_DS = own_DS.reshape(num, course.speakers)
    labels_DL = np.empty((num, longest), np.int64)
    rows = np.arange(num)
    before_D = own_DS[rows, speakers_DL[:, 0]]
    for step in range(longest):
        keeps_D, answers_D = draws_L3D[step, 0] < course.inertia, draws_L3D[step, 1] < course.reaction
        next_DC = np.where(answers_D[:, None], answers_CC[before_D], mood_DC)
        now_D = np.where(keeps_D, own_DS[rows, speakers_DL[:, step]], _drawn(next_DC, draws_L3D[step, 2]))
        labels_DL[:, step] = own_DS[rows, speakers_DL[:, step]] = before_D = now_D
    return labels_DL


def _chances(course: Course) -> NDArray[np.float64]:
    """Share of each emotion, (C,)."""
    counts_C = np.array(SHARES.get(course.classes, SHARES["iemocap6"]), np.float64)
    shares_C = (counts_C / counts_C.sum()) ** course.imbalance
    return shares_C / shares_C.sum()


def _answers(course: Course) -> NDArray[np.float64]:
    """Chance of each emotion after another's, (C, C): mostly the same or a kin of it, as frequent as these are."""
    names, chances_C = _names(course.classes), _chances(course)
    is_kin_CC = np.array([[a == b or any(a in kin and b in kin for kin in KIN) for b in names] for a in names])
    likely_CC = np.where(is_kin_CC, 1.0, 0.1) * chances_C
    return likely_CC / likely_CC.sum(1, keepdims=True)


def _drawn(chances_NC: NDArray[np.float64], uniform_N: NDArray[np.float64]) -> Integers:
    """A class for each row, by the uniform numbers."""
    above_NC = uniform_N[:, None] >= np.cumsum(chances_NC, axis=1)[:, :-1]
    return above_NC.sum(1).astype(np.int64)


def _masked(num: int, chance: float, is_there: Sequence[bool], rng: np.random.Generator) -> NDArray[np.bool_]:
    """Which modalities are nothing but noise, (N, 3); of those that are there, one at random never is."""
    masked_NM = rng.random((num, len(MODALITIES))) < chance
    spared = rng.choice(np.flatnonzero(is_there), num)
    none_left_N = masked_NM[:, list(is_there)].all(1)
    masked_NM[none_left_N, spared[none_left_N]] = False
    return masked_NM


def _features(
    name: str,
    width: int,
    labels_N: Integers,
    person_N: Integers,
    masked_N: NDArray[np.bool_],
    course: Course,
    rng: np.random.Generator,
) -> Floats:
    """One modality, (N, width): what the emotion looks like, who it is, noise; mixed into the features."""
    structure = np.random.default_rng((STRUCTURE_SEED, MODALITIES.index(name)))
    shown_CK = _shown(name, _names(course.classes), structure)
    mixing_KF = structure.standard_normal((LATENT, width), np.float32) / np.float32(np.sqrt(LATENT))
    people_PK = PERSON[name] * rng.standard_normal((int(person_N.max()) + 1, LATENT))
    latent_NK = people_PK[person_N] + rng.standard_normal((len(labels_N), LATENT))
    latent_NK = course.noise * latent_NK + np.where(masked_N[:, None], 0, shown_CK[labels_N])
    features_NF: Floats = (latent_NK.astype(np.float32) @ mixing_KF).astype(np.float32, copy=False)
    features_NF += np.float32(GRAIN * course.noise) * rng.standard_normal(features_NF.shape, np.float32)
    return features_NF


def _shown(name: str, names: Sequence[str], structure: np.random.Generator) -> NDArray[np.float64]:
    """How each emotion shows in a modality, (C, K): at right angles, those that are alike drawn together."""
    square = np.linalg.qr(structure.standard_normal((LATENT, LATENT)))[0]
    shown_CK = square[: len(names)] * CLEARNESS[name] / np.sqrt(2)
    for pair in ALIKE[name]:
        rows = [names.index(emotion) for emotion in pair if emotion in names]
        if len(rows) == len(pair):
            shown_CK[rows] += LIKENESS * (shown_CK[rows].mean(0) - shown_CK[rows])
    return shown_CK
