"""Starts a new run from another run's checkpoint under another configuration. Never writes into the parent.

A fork goes on at the checkpoint's step, so that its curves lie over the parent's: step numbers continue, learning rate
and order of the data are those that the new configuration has at that step. Whatever of the training state still
means the same goes with it; what does not is left behind and named. Under an unchanged configuration the fork takes,
bit for bit, the steps that the parent would have taken.

    network             must be the same, else the fork is refused
    optimiser           its state parameter by parameter, under the new constants; another optimiser starts without
    averages            go on; where the parent kept none they start from its weights
    epoch               where the new plan has the step, if its epochs have another number of steps
    live changes        of learning rate, clipping, loss weights, and the plateau's cuts: while what they changed is
                        configured as in the parent
    best, patience      while only the length, the device or the records are configured otherwise (`NEUTRAL`)
    random numbers      while the seed and the kind of device are the parent's
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from trainctl.engine.config.resolve import Resolved, diff
from trainctl.engine.config.schema import RunConfig
from trainctl.engine.errors import UserError
from trainctl.engine.optim.schedules import PlateauState
from trainctl.engine.ranks import present_ranks
from trainctl.engine.runs.layout import RunPaths
from trainctl.engine.runs.meta import read_meta
from trainctl.engine.training.loop.orders import limit_reached
from trainctl.engine.training.setup import Assembly
from trainctl.engine.training.state.moments import load_moments
from trainctl.engine.training.state.reading_in_parts import reading_alone
from trainctl.engine.training.state.state import Best, Progress, restore_random_state
from trainctl.engine.training.state.weighting import saved_weighting

NEUTRAL = (
    *("train.epochs", "train.max_steps", "train.max_minutes", "train.eval_every", "train.eval_batch_size"),
    *("early_stopping", "health", "record", "checkpoint", "runtime", "ranks", "precision.compile", "precision.capture"),
    "precision.channels_last",
)
"""Options under which the parent's validations still say how good this run is."""
ADAPTATION = tuple(f"weighting.{name}" for name in ("adaptive", "momentum", "rate", "least", "most"))
"""Options under which the weights that the parent's loss terms came to have are what this run would have given them."""
PACE = ("train.batch_size", "train.accumulation", "train.drop_last")
"""Options that decide how many steps an epoch has, beside the data."""


@dataclass(frozen=True)
class Origin:
    """What a run is forked from."""

    paths: RunPaths
    """The parent."""
    checkpoint: Path
    """Of the parent; which of the two, the caller decides."""
    resolved: Resolved
    """Configuration of the parent."""
    data_path: Path | None


@dataclass
class Inheritance:
    """What a fork took over."""

    about: dict[str, Any]
    """For `meta.json`: `run`, `path`, `step`, `checkpoint`, and `changed` {option: [parent's, own]}."""
    best: dict[str, Any] | None = None
    """Content of the parent's best checkpoint, where it is this run's best so far as well."""
    notes: list[str] = field(default_factory=list[str])
    """What everybody would want to know."""
    warnings: list[str] = field(default_factory=list[str])
    """What makes the comparison with the parent unfair, or the first steps rough."""


def inherit(origin: Origin, assembly: Assembly, resolved: Resolved, data_path: Path | None) -> Inheritance:
    """Put the state of the parent's checkpoint into a freshly built run, as far as it fits.

    Args:
        origin: the parent.
        assembly: of the fork; its state is changed in place.
        resolved: configuration of the fork.
        data_path: data of the fork.

    Raises:
        UserError: no such checkpoint, another network, other classes, or nothing is left to train. Nothing is written.
    """
    return _Heir(origin, assembly, resolved, data_path).inherit()


class _Heir:
    def __init__(self, origin: Origin, assembly: Assembly, resolved: Resolved, data_path: Path | None) -> None:
        self.origin, self.assembly, self.state = origin, assembly, assembly.state
        self.config, self.parent = resolved.config, origin.resolved.config
        shards = assembly.state.shards if self.config.ranks.checkpoint == "parts" else None
        self.read = reading_alone(shards, present_ranks())
        content = self.read(origin.checkpoint)
        self.source, self.classes = content["state"], tuple(content["about"]["classes"])
        self.changes = {path: [old, new] for path, old, new in diff(origin.resolved, resolved)}
        own = {path.partition(".")[0] for path in self.changes} - RunConfig.model_fields.keys()
        self.task_options = tuple(sorted(own))
        self.data_words = self._data_words(data_path)
        about = {
            "run": origin.paths.root.name,
            "path": str(origin.paths.root.resolve()),
            "step": int(self.source["progress"]["step"]),
            "checkpoint": origin.checkpoint.name,
            "changed": self.changes,
        }
        self.result = Inheritance(about)

    def inherit(self) -> Inheritance:
        self._refuse_other_network()
        self.state.model.load_state_dict(self.source["model"])
        self.result.notes.append(f"forked from {self.about('run')} at step {self.about('step')}")
        # After the network: moments are matched by the names of its parameters.
        self._take_optimizer()
        self._take_averages()
        if self.state.scaler and self.source["scaler"]:
            self.state.scaler.load_state_dict(self.source["scaler"])
        # The position first: which weight a ramped term has depends on the epoch.
        self._take_position()
        self._take_live_changes()
        self._take_verdicts()
        if self.data_words:
            text = f"the data or its split is not the parent's ({self.data_words})"
            self.result.warnings.append(f"{text}: what is validated on may have been trained on")
        # Last, because whatever was built or loaded above may have drawn some.
        self._take_random_numbers()
        return self.result

    def about(self, key: str) -> Any:
        return self.result.about[key]

    def is_changed(self, *options: str) -> bool:
        """Whether any of the options, or one below them, differs from the parent's."""
        return any(_is_at(path, options) for path in self.changes)

    # --- refusals -----------------------------------------------------------------------------------------

    def _refuse_other_network(self) -> None:
        checkpoint = self.origin.checkpoint
        if self.classes != self.assembly.splits.classes:
            theirs, ours = (", ".join(names) or "none" for names in (self.classes, self.assembly.splits.classes))
            raise UserError(f"{checkpoint} knows other classes: {theirs}; here: {ours}", "fork with the run's own data")
        difference = network_difference(self.state.model.state_dict(), self.source["model"])
        if difference is None:
            return
        own = [f"{path}={old}" for path, (old, _) in self.changes.items() if _is_at(path, self.task_options)]
        hint = f"a fork keeps the network of its run: {' '.join(own)}" if own else "a fork keeps the network of its run"
        raise UserError(f"{checkpoint} is of another network: {difference}", hint)

    # --- the parts of the state ---------------------------------------------------------------------------

    def _take_optimizer(self) -> None:
        refusal = load_moments(
            self.state.model,
            self.state.optimizer,
            self.source["optimizer"],
            self.parent,
            self.config,
            [named.group.modules for named in self.state.groups],
        )
        if refusal:
            self.result.warnings.append(refusal)

    def _take_averages(self) -> None:
        ema, theirs = self.state.ema, self.source["ema"]
        if ema is not None and theirs:
            ema.load_state_dict(theirs)
        elif ema is not None:
            ema.module.load_state_dict(self.source["model"])
            self.result.notes.append("averaged weights start from the parent's weights")
        elif theirs:
            self.result.notes.append("the parent's averaged weights are left behind")

    def _take_position(self) -> None:
        """Seconds and samples are the run's own and start at 0."""
        theirs = Progress(**self.source["progress"])
        own = Progress(step=theirs.step, epoch=theirs.epoch, batch=theirs.batch)
        if not self._keeps_pace(theirs):
            per_epoch = self.state.plan.steps_per_epoch
            own.epoch, rest = divmod(theirs.step, per_epoch)
            own.batch = rest * self.config.train.accumulation
            if own.epoch != theirs.epoch:
                text = f"an epoch has {per_epoch} steps here, so that step {own.step + 1} is of epoch {own.epoch + 1}"
                self.result.notes.append(f"{text}, not {theirs.epoch + 1}")
        self.state.progress = own

    def _keeps_pace(self, theirs: Progress) -> bool:
        """Whether the parent's epoch and batch are where this run has the step as well."""
        if self.is_changed(*PACE):
            return False
        if not self.data_words and not self.task_options:
            return True
        num_batches = len(self.assembly.task.sampler(self.assembly.splits.train))
        in_epoch = math.ceil(theirs.batch / self.config.train.accumulation)
        step = theirs.epoch * self.state.plan.steps_per_epoch + in_epoch
        return theirs.batch <= num_batches and step == theirs.step

    def _take_live_changes(self) -> None:
        plan, theirs = self.state.plan, self.source["plan"]
        plateau = PlateauState(**theirs["plateau"])
        factor = float(theirs["scale"]) * plateau.factor
        if not self.is_changed("optimizer.lr", "schedule"):
            # The cuts, not what led to them: a plateau under another configuration is not the parent's plateau.
            plan.scale, plan.plateau = float(theirs["scale"]), PlateauState(factor=plateau.factor)
        elif factor != 1:
            self.result.notes.append(
                f"the learning rate is the new plan's; its live factor {factor:.3g} is left behind"
            )
        if not self.is_changed("clip"):
            self.state.clip = self.source["clip"]
        self._take_weights()

    def _take_weights(self) -> None:
        theirs, own = saved_weighting(self.source), self.state.weighting
        keeps = not self.is_changed("loss_weights", *self.task_options)
        if theirs["unramped"] != theirs["configured"] and (not keeps or self.is_changed(*ADAPTATION)):
            self.result.notes.append("the loss weights start from the configured ones, not as the parent's adapted")
        if keeps:
            own.load_state_dict(theirs)
            if self.is_changed(*ADAPTATION):
                own.restart()
            self.state.weigh()
            return
        configured = {**self.assembly.task.default_weights(), **self.config.loss_weights}
        for name, weight in theirs["configured"].items():
            if name in configured and weight != configured[name]:
                text = f"the loss weight of {name} is {configured[name]:g}, as configured; the parent's was {weight:g}"
                self.result.notes.append(text)

    def _take_verdicts(self) -> None:
        """What the parent's validations told: best, patience, the plateau's memory."""
        others = [path for path in self.changes if not _is_at(path, NEUTRAL)]
        if others or self.data_words:
            self.result.notes.append("the best checkpoint and patience start anew with the changed configuration")
            return
        best = Best(**self.source["best"])
        if best.value is not None and not self._find_best(best):
            self.result.notes.append("the best checkpoint starts anew: the parent has gone on to a better one")
            return
        self.state.best, self.state.last_metrics = best, self.source["last_metrics"]
        self.state.plan.plateau = PlateauState(**self.source["plan"]["plateau"])

    def _find_best(self, best: Best) -> bool:
        """Whether the parent still has the checkpoint that `best` means."""
        if not self.origin.paths.best.is_file():
            return False
        content = self.read(self.origin.paths.best)
        if content["about"]["step"] != best.step:
            return False
        self.result.best = content
        return True

    def _take_random_numbers(self) -> None:
        if self.is_changed("seed"):
            return
        try:
            self.state.generator.set_state(self.source["generator"])
        except (RuntimeError, TypeError):  # of another kind of device
            self.result.notes.append("random numbers start anew: the parent trained on another kind of device")
            return
        restore_random_state(self.source["rng"])

    # --- the data -----------------------------------------------------------------------------------------

    def _data_words(self, data_path: Path | None) -> str:
        """What says that the data or its split is not the parent's; empty if nothing does."""
        words = [
            f"{path} {old} -> {new}" for path, (old, new) in self.changes.items() if _is_at(path, ("seed", "data"))
        ]
        before, now = (_where(path) for path in (self.origin.data_path, data_path))
        if before != now:
            words.insert(0, f"{before} -> {now}")
        meta = read_meta(self.origin.paths) or {}
        splits = self.assembly.splits
        for name, count in (("num_train", len(splits.train)), ("num_val", len(splits.val))):
            if meta.get(name, count) != count and not words:
                words.append(f"{meta[name]} -> {count} {name.removeprefix('num_')} samples")
        return ", ".join(words)


def network_difference(own: dict[str, Any], theirs: dict[str, Any]) -> str | None:
    """The first difference between two networks' states in names or shapes, in words."""
    for name, tensor in own.items():
        if name not in theirs:
            return f"it has no {name}"
        shapes = [tuple(getattr(value, "shape", ())) for value in (theirs[name], tensor)]
        if shapes[0] != shapes[1]:
            there, here = ("x".join(map(str, shape)) or "a scalar" for shape in shapes)
            return f"{name} is {there} in it and {here} here"
    more = next((name for name in theirs if name not in own), None)
    return None if more is None else f"it also has {more}"


def refuse_finished(origin: Origin, assembly: Assembly, config: RunConfig) -> None:
    """Refuse a fork that would take no step.

    Raises:
        UserError: names the option to raise.
    """
    plan, progress, limit = assembly.state.plan, assembly.state.progress, limit_reached(config, assembly.state)
    where = f"step {progress.step} of {origin.paths.root.name}"
    if progress.epoch >= plan.epochs:
        total = plan.epochs * plan.steps_per_epoch
        raise UserError(
            f"{where} is at the end of the fork's {plan.epochs} epochs ({total} steps)",
            f"to go on, raise them: train.epochs={progress.epoch + plan.epochs}",
        )
    if limit is not None:  # of steps: a fork's time begins with it
        raise UserError(
            f"{where} is at the end of the fork's {limit.most:.10g} {limit.unit}",
            f"to go on, raise them: {limit.option}={progress.step + limit.most:.10g}",
        )


def _is_at(path: str, options: tuple[str, ...]) -> bool:
    return any(path == option or path.startswith(f"{option}.") for option in options)


def _where(path: Path | None) -> str:
    return "built-in data" if path is None else str(path.resolve())
