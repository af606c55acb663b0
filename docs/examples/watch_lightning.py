"""One line in a Lightning training: `python docs/examples/watch_lightning.py`, then `trainctl ui latest`."""

# pyright: reportMissingImports=false, reportUntypedBaseClass=false
import lightning.pytorch as lightning
import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader, TensorDataset

from trainctl.adapters.lightning import TrainctlCallback


class Digits(lightning.LightningModule):
    """A network of two layers."""

    def __init__(self, lr: float = 3e-3) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.net = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))

    def training_step(self, batch: list[Tensor]) -> Tensor:
        return cross_entropy(self.net(batch[0]), batch[1])

    def validation_step(self, batch: list[Tensor]) -> None:
        logits = self.net(batch[0])
        self.log_dict(
            {"val_loss": cross_entropy(logits, batch[1]), "val_acc": (logits.argmax(1) == batch[1]).float().mean()}
        )

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.AdamW(self.parameters(), lr=self.hparams["lr"])


pixels, digits = load_digits(return_X_y=True)
x, y = torch.tensor(pixels, dtype=torch.float32) / 16, torch.tensor(digits)
training = DataLoader(TensorDataset(x[:1400], y[:1400]), batch_size=64, shuffle=True)
trainer = lightning.Trainer(max_epochs=10, callbacks=[TrainctlCallback()], logger=False, enable_progress_bar=False)
trainer.fit(Digits(), training, DataLoader(TensorDataset(x[1400:], y[1400:]), batch_size=397))
