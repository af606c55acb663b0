"""A callback for Lightning's `Trainer`: names, hyperparameters, epochs, validations; stop and checkpoint obey.

Knows Lightning's hooks and `trainctl.watch`, no records.
"""

# pyright: reportMissingImports=false, reportUntypedBaseClass=false
from __future__ import annotations

from pathlib import Path
from typing import Any

from lightning.pytorch import Callback

from trainctl.engine.ranks import agreed
from trainctl.engine.watch.watch import Watch, watch


class TrainctlCallback(Callback):
    """Records a `Trainer.fit`: `Trainer(callbacks=[TrainctlCallback()])`.

    Args:
        options: as `trainctl.watch` takes them.

    Attributes:
        watch: of the present or last `fit`; None: there was none.
    """

    def __init__(self, **options: Any) -> None:
        self._options = options
        self.watch: Watch | None = None
        self._is_to_save = False
        self._before: dict[str, Any] = {}

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """Optimisers, length and hyperparameters are known."""
        total = trainer.estimated_stepping_batches
        given: dict[str, Any] = {
            "epochs": max(trainer.max_epochs or 0, 0),
            "total_steps": int(total) if total < float("inf") else 0,
        }
        config = {**pl_module.hparams, **self._options.get("config", {})}
        options: dict[str, Any] = {"model": pl_module, **given, **self._options, "config": config}
        self.watch = watch(*trainer.optimizers, **options)
        if trainer.world_size == 1:  # to save is something that all ranks do together
            self.watch.on_checkpoint(lambda: self._ask_to_save(trainer))
        self._must_stop()

    def on_train_epoch_start(self, trainer: Any, pl_module: Any) -> None:
        """Its number."""
        if self.watch is not None:
            self.watch.epoch(trainer.current_epoch + 1)

    def on_train_batch_end(self, trainer: Any, *args: Any) -> None:
        """Between two steps: save or stop where that was asked for."""
        if self._is_to_save:
            self._is_to_save = False
            trainer.save_checkpoint(_file_of(trainer))
        if trainer.world_size == 1 and self._must_stop():
            trainer.should_stop = True

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        """Where all ranks stop together, if the first was asked to."""
        if trainer.world_size > 1 and agreed(self._must_stop()):
            trainer.should_stop = True

    def on_validation_start(self, trainer: Any, pl_module: Any) -> None:
        """What was logged before it is not of it."""
        self._before = dict(trainer.callback_metrics)

    def on_validation_end(self, trainer: Any, pl_module: Any) -> None:
        """What the module logged in the meantime is what it came to."""
        if self.watch is not None and not trainer.sanity_checking and trainer.training | trainer.validating:
            metrics = trainer.callback_metrics.items()
            self.watch.validation({name: value for name, value in metrics if value is not self._before.get(name)})

    def on_exception(self, trainer: Any, pl_module: Any, exception: BaseException) -> None:
        """The run ends with it."""
        if self.watch is not None:
            self.watch.close(exception)

    def on_fit_end(self, trainer: Any, pl_module: Any) -> None:
        """The run ends."""
        if self.watch is not None:
            self.watch.close()

    def _must_stop(self) -> bool:
        return self.watch is not None and self.watch.should_stop

    def _ask_to_save(self, trainer: Any) -> str:
        self._is_to_save = True
        return f"saved after this batch as {_file_of(trainer)}"


def _file_of(trainer: Any) -> Path:
    return Path(trainer.default_root_dir) / "trainctl.ckpt"
