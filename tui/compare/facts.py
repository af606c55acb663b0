"""What is compared of one run: final figures, results, configuration, what its preset says of itself. No widget.

Made from the view of a run and its `config.yaml`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np

from trainctl.engine.runs.events import Event, EventKind
from trainctl.tui.run.results import WEIGHTS
from trainctl.tui.run.view import RunView
from trainctl.tui.words.verdict import state_word


class Reached(NamedTuple):
    """The best value of a metric in one run."""

    value: float
    epoch: int
    step: int
    weights: str
    """`raw` or `ema`."""


@dataclass(frozen=True)
class RunFacts:
    """What is compared of one run. Figures that are not known are NaN."""

    name: str
    preset: str
    state: str
    steps: int
    epochs: int
    """Finished epochs."""
    seconds: float
    samples_per_s: float
    last_loss: float
    """Training loss over the last finished epoch, else of the newest step."""
    epoch_losses: tuple[tuple[int, float], ...]
    """Mean training loss by epoch."""
    monitor: str
    """Metric that decides which checkpoint is best; empty while unknown."""
    monitor_mode: str
    """`min` or `max`; empty while unknown."""
    validations: tuple[tuple[int, int, str, Mapping[str, float]], ...]
    """Epoch, step, weights and metrics of each validation."""
    findings: tuple[str, ...]
    """Codes, each once."""
    found: tuple[Mapping[str, Any], ...]
    """The findings as plain data: code, severity, title, summary, step."""
    num_checks: int | None
    """Rules that could give an answer at the run's end; None: it was not judged."""
    first_nonfinite: int | None
    interventions: tuple[str, ...]
    """Commands that took effect, in words."""
    config: Mapping[str, Any] | None = None
    """Every value by its dotted name; none where there is no readable `config.yaml`."""
    about: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """What the preset says about itself."""
    data: str = ""
    """Where the data came from; empty while unknown."""
    data_id: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """Fingerprint of the training and of the validation samples (`train`, `val`), see `samples.py`; empty where an
    older version ran it."""
    epoch_terms: tuple[tuple[int, Mapping[str, float]], ...] = ()
    """Mean of each loss term by epoch, unweighted."""
    gradient_fluctuation: float = math.nan
    """Standard deviation of the change of ln(gradient norm) from step to step; NaN where steps are not held singly."""
    is_fork: bool = False
    """Whether it began at another run's checkpoint."""
    is_set: bool = False
    """Whether a value of it was changed while it ran, so that it is not its configuration's run any more."""

    @property
    def judged(self) -> str:
        """The findings in words: `D104 error, K401 warning`; `none in 12 checks`; `not judged`."""
        if self.found:
            return ", ".join(f"{one.get('code')} {one.get('severity') or 'info'}" for one in self.found)
        return "not judged" if self.num_checks is None else f"none in {self.num_checks} checks"

    def curve(self, term: str = "") -> tuple[tuple[int, float], ...]:
        """Epoch and mean of a loss term, unweighted; of the training loss where none is named."""
        if not term:
            return self.epoch_losses
        return tuple((epoch, values[term]) for epoch, values in self.epoch_terms if term in values)

    def fluctuation(self, term: str = "") -> float:
        """Standard deviation of the change of `curve` from epoch to epoch; NaN below three epochs."""
        changes = np.diff([loss for _, loss in self.curve(term)])
        return float(np.std(changes)) if len(changes) >= 2 else math.nan

    def largest_rise(self, term: str = "") -> float:
        """Largest increase of `curve` from one epoch to the next, nought where it never rises; NaN below two epochs."""
        changes = np.diff([loss for _, loss in self.curve(term)])
        return max(float(np.max(changes)), 0.0) if len(changes) else math.nan

    def last_of(self, term: str = "") -> float:
        """The last of `curve`, of the loss also where no epoch has ended."""
        if not term:
            return self.last_loss
        curve = self.curve(term)
        return curve[-1][1] if curve else math.nan

    @property
    def main_term(self) -> str:
        """The first loss term; empty where none is known."""
        return next((name for _, values in self.epoch_terms for name in values if name != "loss"), "")

    @property
    def seed(self) -> int | None:
        """Of the configuration; none where that is not known."""
        seed = (self.config or {}).get("seed")
        return seed if isinstance(seed, int) else None

    @property
    def scale(self) -> str:
        """Of the configuration; empty where that is not known."""
        return str((self.config or {}).get("scale") or "")

    def metrics(self) -> list[str]:
        """Names of the validation metrics in the order in which they first appeared."""
        return list(dict.fromkeys(name for *_, values in self.validations for name in values))

    def best(self, metric: str, *, lower: bool) -> Reached | None:
        """The best value of a metric over all validations and both sets of weights; the earliest of equals."""
        found = [
            Reached(values[metric], epoch, step, weights)
            for epoch, step, weights, values in self.validations
            if math.isfinite(values.get(metric, math.nan))
        ]
        if not found:
            return None
        return min(found, key=lambda one: one.value) if lower else max(found, key=lambda one: one.value)

    def epochs_to(self, loss: float, term: str = "") -> float:
        """First epoch at which `curve` is at most `loss`; NaN where none is."""
        return next((float(epoch) for epoch, mean in self.curve(term) if mean <= loss), math.nan)


def facts_of(view: RunView, document: Mapping[str, Any] | None = None) -> RunFacts:
    """What is to be compared of a run; `document` is its `config.yaml`, as `read_config` returns it."""
    status, summary, meta = view.status, view.summary, view.meta or {}
    epochs = [event for event in view.of_kind(EventKind.EPOCH) if isinstance(event.data.get("train"), dict)]
    losses = tuple((e.whole("epoch"), _number(e.data["train"].get("loss"))) for e in epochs)
    newest = view.series["loss"].last if "loss" in view.series else math.nan
    monitors = [event for event in view.of_kind(EventKind.VALIDATION) if event.data.get("monitor")]
    best, found = view.best, findings_of(view)
    return RunFacts(
        name=view.paths.root.name,
        preset=view.preset,
        state=state_word(view)[0],
        steps=view.step,
        epochs=summary.epochs if summary else len(epochs),
        seconds=_seconds(view, epochs),
        samples_per_s=summary.samples_per_s if summary else status.samples_per_s if status else math.nan,
        last_loss=losses[-1][1] if losses else newest,
        epoch_losses=losses,
        monitor=str(monitors[-1].data["monitor"]) if monitors else best.metric if best else "",
        monitor_mode=str(monitors[-1].data.get("monitor_mode") or "") if monitors else "",
        validations=tuple(_validations(view)),
        findings=tuple(dict.fromkeys(str(one.get("code")) for one in found)),
        found=found,
        num_checks=summary.num_checks if summary else None,
        first_nonfinite=view.first_nonfinite,
        interventions=tuple(_interventions(view)),
        config=None if document is None else flat_values(document),
        about=_mapping((document or {}).get("about")),
        data=str(meta.get("data") or "built-in") if meta and "imported_from" not in meta else "",
        data_id=_mapping(meta.get("data_id")),
        epoch_terms=tuple((e.whole("epoch"), _numbers(e.data["train"])) for e in epochs),
        gradient_fluctuation=_gradient_fluctuation(view),
        is_fork="forked_from" in meta,
        is_set=any(_is_setting(event) for event in view.of_kind(EventKind.COMMAND)),
    )


def findings_of(view: RunView) -> tuple[Mapping[str, Any], ...]:
    """What was found by the end of the run; before it, or where it was not judged, what the run itself told."""
    if view.summary is not None and view.summary.num_checks is not None:
        return tuple(view.summary.findings)
    told = {str(event.data.get("code")): event for event in view.of_kind(EventKind.FINDING)}
    names = ("code", "severity", "title", "summary")
    return tuple({name: event.data.get(name) for name in names} | {"step": event.step} for event in told.values())


def _gradient_fluctuation(view: RunView) -> float:
    norms = view.series.get("grad_norm")
    if norms is None or norms.stride != 1:
        return math.nan
    values = norms.envelope(*norms.extent, len(norms)).mean
    logs = np.log(values[np.isfinite(values) & (values > 0)].astype(np.float64))
    return float(np.std(np.diff(logs))) if len(logs) >= 3 else math.nan


def _seconds(view: RunView, epochs: Sequence[Event]) -> float:
    if view.summary is not None:
        return view.summary.seconds
    if view.status is not None:
        return max(view.status.heartbeat - view.status.started, 0.0)
    return sum(_number(event.data.get("seconds")) for event in epochs) if epochs else math.nan


def _validations(view: RunView) -> Iterable[tuple[int, int, str, Mapping[str, float]]]:
    for event in view.of_kind(EventKind.VALIDATION):
        for weights in WEIGHTS:
            values = _mapping(event.data.get(weights))
            if values:
                yield event.whole("epoch"), event.step, weights, _numbers(values)


def _interventions(view: RunView) -> Iterable[str]:
    for event in view.of_kind(EventKind.COMMAND):
        effect = str(event.data.get("effect") or event.data.get("verb"))
        if not effect.startswith("refused"):
            yield f"step {event.step}: {effect}"


def _is_setting(event: Event) -> bool:
    """Whether the command changed a value; to pause, to stop and to save change none."""
    return event.data.get("verb") == "set" and not str(event.data.get("effect")).startswith("refused")


def read_config(path: Path) -> Mapping[str, Any] | None:
    """Content of a run's `config.yaml`; None where there is none that can be read.

    As plain data: it holds every value, and a user's own task need not be imported to compare it.
    """
    from trainctl.engine.config.yamlfile import read_document
    from trainctl.engine.errors import UserError

    try:
        return read_document(path).values
    except UserError:
        return None


def flat_values(document: Mapping[str, Any]) -> dict[str, Any]:
    """Every value by its dotted name, preset and scale first."""
    history = _mapping(document.get("provenance"))
    found = {name: history[name] for name in ("preset", "scale") if name in history}
    return found | dict(_leaves({k: v for k, v in document.items() if k not in ("about", "provenance")}, ""))


def _leaves(values: Mapping[str, Any], prefix: str) -> Iterable[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, dict) and value:
            yield from _leaves(cast("dict[str, Any]", value), f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _number(value: Any) -> float:
    return float(value) if isinstance(value, (int, float)) else math.nan


def _numbers(values: Mapping[str, Any]) -> dict[str, float]:
    return {str(name): _number(value) for name, value in values.items()}


def _mapping(value: Any) -> Mapping[str, Any]:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}
