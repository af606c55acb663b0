"""What a dialogue consists of, and options of the data. Pure data; imports no torch."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from trainctl.engine.config.schema import NonNegativeFloat, NonNegativeInt, PositiveInt, Section

MODALITIES = ("text", "audio", "visual")
"""Names of the modalities, in the order in which a network is given them."""
CLASSES = {
    "iemocap6": ("happy", "sad", "neutral", "angry", "excited", "frustrated"),
    "iemocap4": ("happy", "sad", "neutral", "angry"),
    "meld7": ("neutral", "surprise", "fear", "sadness", "joy", "disgust", "anger"),
}
"""The emotions in the order in which the field numbers them."""


class EmotionData(Section):
    """Which dialogues, and what the built-in ones are like."""

    text: NonNegativeInt = 768
    """Features of the text. The user's own data have widths of their own; a modality that they lack becomes so many
    zeros."""
    audio: NonNegativeInt = 100
    """Features of the sound."""
    visual: NonNegativeInt = 512
    """Features of the picture."""
    classes: Literal["iemocap6", "iemocap4", "meld7", "numbered"] = "iemocap6"
    """Names of the emotions: of the built-in dialogues, and of the user's own where these give numbers only. `numbered`
    calls them by their numbers, as many as occur."""
    val_fraction: Annotated[float, Field(gt=0, lt=1)] = 0.1
    """Share of the training dialogues held out where the data name no validation split, as the field's pickles do."""
    labels: Literal["first", "second"] = "first"
    """Pickles with two dictionaries of labels (MELD: emotion, then sentiment): which is learnt."""
    dialogues: Annotated[int, Field(ge=8)] = 151
    """Built-in data: dialogues, 31 of 151 for testing."""
    speakers: Annotated[int, Field(ge=1, le=8)] = 2
    """Built-in data: people in a dialogue."""
    utterances: tuple[PositiveInt, PositiveInt] = (8, 110)
    """Built-in data: utterances of the shortest and of the longest dialogue."""
    inertia: Annotated[float, Field(ge=0, le=1)] = 0.85
    """Built-in data: probability that a speaker keeps the emotion of their last utterance."""
    reaction: Annotated[float, Field(ge=0, le=1)] = 0.6
    """Built-in data: where it changes, probability that the new one answers the emotion of who spoke before."""
    imbalance: NonNegativeFloat = 1.0
    """Built-in data: exponent of the emotions' shares; 0: alike, 1: as in the data that they are named after."""
    noise: NonNegativeFloat = 1.0
    """Built-in data: factor of all noise."""
    masked: Annotated[float, Field(ge=0, lt=1)] = 0.3
    """Built-in data: probability that a modality of an utterance is nothing but noise; one always says something."""
