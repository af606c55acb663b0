"""A callback for the `Trainer` of Hugging Face transformers: arguments, epochs, evaluations; evaluate, save, stop obey.

Knows the trainer's hooks and `trainctl.watch`, no records.
"""

# pyright: reportMissingImports=false, reportUntypedBaseClass=false, reportGeneralTypeIssues=false
from __future__ import annotations

from typing import Any

from transformers import TrainerCallback

from trainctl.engine.ranks import agreed
from trainctl.engine.watch.watch import Watch, watch

PREFIX = "eval_"
COSTS = ("runtime", "samples_per_second", "steps_per_second", "model_preparation_time", "jit_compilation_time")
"""What an evaluation tells of itself beside its metrics."""


class TrainctlCallback(TrainerCallback):
    """Records a `Trainer.train`: `Trainer(..., callbacks=[TrainctlCallback()])`.

    Args:
        options: as `trainctl.watch` takes them.

    Attributes:
        watch: of the present or last training; None: there was none.
    """

    def __init__(self, **options: Any) -> None:
        self._options = options
        self.watch: Watch | None = None
        self._wanted: set[str] = set()

    def on_train_begin(self, args: Any, state: Any, control: Any, **known: Any) -> None:
        """Network, optimiser, length and arguments are known."""
        config = {**args.to_sanitized_dict(), **self._options.get("config", {})}
        given = {"epochs": int(args.num_train_epochs), "total_steps": state.max_steps, "model": known.get("model")}
        given["monitor"] = str(args.metric_for_best_model or "").removeprefix(PREFIX)
        if args.run_name and args.run_name != args.output_dir:
            given["name"] = args.run_name
        options: dict[str, Any] = {**given, **self._options, "config": config}
        self.watch = watch(known["optimizer"], **options)
        if args.world_size == 1:  # what follows is something that all ranks do together
            self.watch.on_checkpoint(lambda: self._want("should_save", "saved"))
            if (
                str(getattr(args.eval_strategy, "value", args.eval_strategy)) != "no"
            ):  # else there may be no data for it
                self.watch.on_validate(lambda: self._want("should_evaluate", "evaluated"))
        self._must_stop()

    def on_epoch_begin(self, args: Any, state: Any, control: Any, **known: Any) -> None:
        """Its number."""
        if self.watch is not None:
            self.watch.epoch(int(state.epoch or 0) + 1)

    def on_step_end(self, args: Any, state: Any, control: Any, **known: Any) -> Any:
        """Between two steps: what was asked for is the trainer's to do."""
        for wanted in self._wanted:
            setattr(control, wanted, True)
        self._wanted.clear()
        if args.world_size == 1 and self._must_stop():
            control.should_training_stop = True
        return control

    def on_epoch_end(self, args: Any, state: Any, control: Any, **known: Any) -> Any:
        """Where all ranks stop together, if the first was asked to."""
        if args.world_size > 1 and agreed(self._must_stop()):
            control.should_training_stop = True
        return control

    def on_evaluate(self, args: Any, state: Any, control: Any, metrics: Any = None, **known: Any) -> None:
        """What an evaluation came to."""
        named = {name.removeprefix(PREFIX): value for name, value in (metrics or {}).items()}
        kept = {name: value for name, value in named.items() if name != "epoch" and not name.endswith(COSTS)}
        if self.watch is not None:
            self.watch.validation(kept)

    def on_train_end(self, args: Any, state: Any, control: Any, **known: Any) -> None:
        """The run ends."""
        if self.watch is not None:
            self.watch.close()

    def _must_stop(self) -> bool:
        return self.watch is not None and self.watch.should_stop

    def _want(self, flag: str, done: str) -> str:
        self._wanted.add(flag)
        return f"{done} by the trainer after this step"
