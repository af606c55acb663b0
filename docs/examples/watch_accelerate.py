"""One argument for an Accelerator: `python docs/examples/watch_accelerate.py`, then `trainctl ui latest`."""

# pyright: reportMissingImports=false
import torch
from accelerate import Accelerator
from sklearn.datasets import load_digits
from torch import nn
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader, TensorDataset

from trainctl.adapters.accelerate import TrainctlTracker

tracker = TrainctlTracker()
accelerator = Accelerator(log_with=tracker, gradient_accumulation_steps=2)
accelerator.init_trackers("digits", config={"lr": 3e-3})
pixels, digits = load_digits(return_X_y=True)
x, y = torch.tensor(pixels, dtype=torch.float32) / 16, torch.tensor(digits)
model = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))
optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
loader = DataLoader(TensorDataset(x[:1400], y[:1400]), batch_size=32, shuffle=True)
model, optimizer, loader = accelerator.prepare(model, optimizer, loader)
tracker.tracker.on_checkpoint(lambda: str(accelerator.save_state("digits")))
for _ in range(10):
    for images, labels in loader:
        with accelerator.accumulate(model):
            accelerator.backward(cross_entropy(model(images), labels))
            optimizer.step()
            optimizer.zero_grad()
    with torch.no_grad():
        logits = model(x[1400:].to(accelerator.device)).cpu()
    accelerator.log({"val_acc": (logits.argmax(1) == y[1400:]).float().mean().item()})
accelerator.end_training()
