"""Three lines in a loop of one's own: `python docs/examples/watch_loop.py`, then `trainctl ui latest`."""

import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader, TensorDataset

import trainctl  # 1

torch.manual_seed(0)
pixels, digits = load_digits(return_X_y=True)
x, y = torch.tensor(pixels, dtype=torch.float32) / 16, torch.tensor(digits)
model = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))
optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
loader = DataLoader(TensorDataset(x[:1400], y[:1400]), batch_size=64, shuffle=True)

watch = trainctl.watch(optimizer, epochs=10)  # 2
watch.on_checkpoint(lambda: torch.save(model.state_dict(), "digits.pt"))
for _ in range(10):
    for images, labels in loader:
        loss = cross_entropy(model(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        logits = model(x[1400:])
    accuracy = (logits.argmax(1) == y[1400:]).float().mean()
    watch.validation({"accuracy": accuracy, "loss": cross_entropy(logits, y[1400:])})  # 3
