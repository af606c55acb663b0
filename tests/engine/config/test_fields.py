"""Finding keys in a schema, and the nearest one to what was written."""

from __future__ import annotations

import pytest

from trainctl.engine.config.fields import dotted_keys, leaves, locate, nearest_key
from trainctl.engine.config.schema import RunConfig
from trainctl.engine.tasks.eyes.config import EyesConfig


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("optimizer.leraning_rate", "optimizer.lr"),
        ("learning_rate", "optimizer.lr"),
        ("lr", "optimizer.lr"),
        ("optimzer.lr", "optimizer.lr"),
        ("optimiser.weight_decay", "optimizer.weight_decay"),
        ("optimizer_lr", "optimizer.lr"),
        ("optimizer.batch_size", "train.batch_size"),
        ("epochs", "train.epochs"),
        ("dropot", "model.dropout"),
        ("max_grad_norm", "clip.grad_norm"),
        ("ema_decay", "ema.decay"),
        ("scheduler", "schedule"),
        ("optimzer", "optimizer"),
        ("los_weights", "loss_weights"),
        ("Optimizer.LR", "optimizer.lr"),
    ],
)
def test_the_key_that_was_meant_is_found(written: str, meant: str) -> None:
    assert nearest_key(EyesConfig, written) == meant


@pytest.mark.parametrize("written", ["optimizer.zzz", "xyzzy", "train.qqqqqq"])
def test_nothing_is_suggested_where_nothing_is_similar(written: str) -> None:
    assert nearest_key(EyesConfig, written) is None


def test_a_name_of_another_tool_is_only_translated_where_the_key_exists() -> None:
    assert nearest_key(RunConfig, "label_smoothing") is None
    assert nearest_key(EyesConfig, "label_smoothing") == "loss.smoothing"


def documentation(key: str) -> str:
    """What the schema says of a field or section; there must be one of this name."""
    place = locate(EyesConfig, key.split("."))
    assert place is not None
    if place.section is not None:
        return (place.section.__doc__ or "").strip()
    assert place.field is not None
    return (place.field.description or "").strip()


def test_every_key_of_the_schema_can_be_located_and_is_documented() -> None:
    for key in dotted_keys(EyesConfig):
        assert documentation(key), f"{key} has no documentation"


def test_documentation_is_the_text_below_the_field() -> None:
    assert documentation("optimizer.lr") == "Peak learning rate."
    assert documentation("loss_weights.anything").startswith("Weight of a loss term")


def test_what_follows_a_mapping_field_is_one_entry() -> None:
    place = locate(EyesConfig, ["loss_weights", "a", "b"])
    assert place is not None
    assert place.is_entry
    assert place.path == ("loss_weights", "a.b")


def test_a_value_has_no_keys_below_it() -> None:
    assert locate(EyesConfig, ["optimizer", "lr", "x"]) is None


def test_leaves_are_the_entries_of_a_mapping_or_the_empty_mapping() -> None:
    assert leaves(EyesConfig())[("loss_weights",)] == {}
    filled = leaves(EyesConfig(loss_weights={"a": 1.0}))
    assert filled[("loss_weights", "a")] == 1.0
    assert ("loss_weights",) not in filled
