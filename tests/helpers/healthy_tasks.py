"""Recipes of healthy trainings: each has something that a hasty rule would accuse. `user_tasks` puts them together."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from user_tasks import (
    FEATURES,
    NUM_CLASSES,
    NUM_TRAIN,
    NUM_VAL,
    UserTask,
    classify,
    draw,
    ids,
    labelled,
    mlp,
    regression,
    squared,
)

from trainctl.engine.config.schema import ClipConfig, OptimizerConfig, ScheduleConfig
from trainctl.engine.data.batch import Batch
from trainctl.engine.tasks.task import StepOutput

HEALTHY: dict[str, Callable[[], UserTask]] = {}
"""By name."""


def healthy(make: Callable[[], UserTask]) -> Callable[[], UserTask]:
    """Enter a recipe under its name."""
    HEALTHY[make.__name__] = make
    return make


def images(scale: float = 1.0) -> Tensor:
    """Pictures, 3×8×8, positive."""
    return torch.sigmoid(draw(3, 8, 8)) * scale


class Convolutions(nn.Module):
    """Two convolutions with a norm, a pool, a dense layer."""

    def __init__(self, norm: Callable[[int], nn.Module] = nn.BatchNorm2d, scale: float = 1.0) -> None:
        super().__init__()
        self.scale = scale
        self.body = nn.Sequential(
            nn.Conv2d(3, 8, 3, padding=1),
            norm(8),
            nn.ReLU(),
            nn.Conv2d(8, 8, 3, stride=2, padding=1),
            norm(8),
            nn.ReLU(),
        )
        self.head = nn.Linear(8 * 16, NUM_CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.body(x.float() / self.scale).flatten(1))


@healthy
def dense_classifier() -> UserTask:
    return UserTask(labelled(draw(FEATURES)), mlp, classify(), classes=True)


@healthy
def pictures_as_bytes() -> UserTask:
    tensors = labelled(images(255).to(torch.uint8))
    return UserTask(tensors, lambda: Convolutions(scale=255), classify(), classes=True)


@healthy
def raw_pictures_before_a_norm() -> UserTask:
    return UserTask(labelled(images(255)), Convolutions, classify(), classes=True)


@healthy
def group_norm_and_sgd_with_momentum() -> UserTask:
    options = {
        "optimizer": OptimizerConfig(name="sgd", lr=0.05, weight_decay=5e-4, nesterov=True),
        "schedule": ScheduleConfig(name="cosine", warmup_epochs=2),
    }
    net = lambda: Convolutions(lambda width: nn.GroupNorm(2, width))  # noqa: E731
    return UserTask(labelled(images()), net, classify(), classes=True, options=options)


@healthy
def norm_before_features_of_any_size() -> UserTask:
    x = draw(FEATURES) * torch.logspace(-2, 4, FEATURES) + 300
    return UserTask(labelled(x), lambda: nn.Sequential(nn.BatchNorm1d(FEATURES), *mlp()), classify(), classes=True)


@healthy
def bag_of_words() -> UserTask:
    counts = torch.zeros(NUM_TRAIN + NUM_VAL, 400).scatter_(1, ids(12, 400), 1.0)
    x = counts / counts.norm(dim=1, keepdim=True)
    return UserTask(labelled(x), lambda: mlp(400), classify(), classes=True)


@healthy
def table_of_numbers_and_flags() -> UserTask:
    numbers, flags = draw(4) * 3 + 1, F.one_hot(ids(1, 9)[:, 0], 9).float()
    return UserTask(labelled(torch.cat([numbers, flags], 1)), lambda: mlp(13), classify(), classes=True)


@healthy
def waveform() -> UserTask:
    net = lambda: nn.Sequential(  # noqa: E731
        nn.Conv1d(1, 8, 9, 4), nn.ReLU(), nn.Conv1d(8, 8, 5, 2), nn.ReLU(), nn.Flatten(), nn.LazyLinear(NUM_CLASSES)
    )

    def built() -> nn.Module:
        model = net()
        model(torch.zeros(2, 1, 128))
        return model

    return UserTask(labelled(draw(1, 128) * 0.08), built, classify(), classes=True)


class Recurrent(nn.Module):
    """An LSTM over a sequence, the last state told apart."""

    def __init__(self) -> None:
        super().__init__()
        self.cells = nn.LSTM(6, 16, num_layers=2, dropout=0.1, batch_first=True)
        self.head = nn.Linear(16, NUM_CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.cells(x)[0][:, -1])


@healthy
def recurrent_with_a_small_clip() -> UserTask:
    options = {"clip": ClipConfig(grad_norm=0.25)}
    return UserTask(labelled(draw(10, 6)), Recurrent, classify(), classes=True, options=options)


class Encoder(nn.Module):
    """A transformer over tokens."""

    def __init__(self, outputs: int = NUM_CLASSES) -> None:
        super().__init__()
        self.tokens = nn.Embedding(50, 16, padding_idx=0)
        self.places = nn.Parameter(0.02 * torch.randn(9, 16))
        layer = nn.TransformerEncoderLayer(16, 2, 32, dropout=0.1, batch_first=True)
        self.body = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.head = nn.Linear(16, outputs)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.head(self.body(self.tokens(tokens) + self.places[: tokens.shape[1]]))


@healthy
def transformer_over_tokens() -> UserTask:
    x = ids(9)
    options = {
        "schedule": ScheduleConfig(name="cosine", warmup_epochs=1, interval="step"),
        "clip": ClipConfig(grad_norm=1.0),
    }
    tensors = {"x": x, "y": x[:, 0] % NUM_CLASSES}
    return UserTask(tensors, lambda: Pooled(Encoder()), classify(), classes=True, options=options)


class Pooled(nn.Module):
    """The mean over the places."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x: Tensor) -> Tensor:
        return self.inner(x).mean(1)


@healthy
def masked_tokens() -> UserTask:
    def step(model: nn.Module, batch: Batch) -> StepOutput:
        hidden = torch.rand(batch["x"].shape, device=batch["x"].device) < 0.3
        logits = model(batch["x"].masked_fill(hidden, 0))
        target = batch["x"].masked_fill(~hidden, -100)
        return StepOutput({"ce": F.cross_entropy(logits.transpose(1, 2), target)})

    return UserTask({"x": ids(9)}, lambda: Encoder(50), step)


@healthy
def next_token_with_padding() -> UserTask:
    x = ids(9).masked_fill(torch.arange(9) > ids(1, 9), 0)

    def step(model: nn.Module, batch: Batch) -> StepOutput:
        logits = model(batch["x"][:, :-1])
        return StepOutput({"nll": F.cross_entropy(logits.transpose(1, 2), batch["x"][:, 1:], ignore_index=0)})

    return UserTask({"x": x}, lambda: Encoder(50), step)


@healthy
def regression_with_tanh() -> UserTask:
    return UserTask(regression(draw(FEATURES)), lambda: mlp(outputs=1, act=nn.Tanh), squared)


@healthy
def small_validation_of_a_regression_with_sgd() -> UserTask:
    options = {"optimizer": OptimizerConfig(name="sgd", lr=1e-2, weight_decay=1e-4)}
    return UserTask(regression(draw(FEATURES)), lambda: mlp(outputs=1), squared, options=options)


@healthy
def quantiles() -> UserTask:
    def step(model: nn.Module, batch: Batch) -> StepOutput:
        error = batch["y"][:, None] - model(batch["x"])
        levels = torch.tensor([0.1, 0.5, 0.9], device=error.device)
        return StepOutput({"pinball": torch.maximum(levels * error, (levels - 1) * error).mean()})

    return UserTask(regression(draw(FEATURES)), lambda: mlp(outputs=3), step)


@healthy
def several_labels() -> UserTask:
    x = draw(FEATURES)
    tensors = {"x": x, "y": (x[:, :5] > 0).float()}
    step = lambda m, b: {"bce": F.binary_cross_entropy_with_logits(m(b["x"]), b["y"])}  # noqa: E731
    return UserTask(tensors, lambda: mlp(outputs=5), step)


@healthy
def probability_and_plain_bce() -> UserTask:
    x = draw(FEATURES)
    step = lambda m, b: {"bce": F.binary_cross_entropy(m(b["x"])[:, 0].sigmoid(), b["y"])}  # noqa: E731
    return UserTask({"x": x, "y": (x[:, 0] > 0).float()}, lambda: mlp(outputs=1), step)


@healthy
def log_softmax_and_nll() -> UserTask:
    net = lambda: nn.Sequential(*mlp(), nn.LogSoftmax(1))  # noqa: E731
    step = lambda m, b: {"nll": F.nll_loss(m(b["x"]), b["y"])}  # noqa: E731
    return UserTask(labelled(draw(FEATURES)), net, step, classes=True)


@healthy
def smoothed_and_weighted_classes() -> UserTask:
    weight = torch.tensor([1.0, 2.0, 0.5, 1.0])
    step = lambda m, b: {"ce": F.cross_entropy(m(b["x"]), b["y"], weight=weight, label_smoothing=0.1)}  # noqa: E731
    return UserTask(labelled(draw(FEATURES)), mlp, step, classes=True)


@healthy
def autoencoder() -> UserTask:
    x = draw(4) @ torch.randn(4, FEATURES, generator=torch.Generator().manual_seed(2)) / 2
    net = lambda: nn.Sequential(nn.Linear(FEATURES, 4), nn.ReLU(), nn.Linear(4, FEATURES))  # noqa: E731
    return UserTask({"x": x}, net, lambda m, b: {"recon": F.mse_loss(m(b["x"]), b["x"])})


class Variational(nn.Module):
    """The code is drawn in training and in validation."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder, self.decoder = nn.Linear(FEATURES, 8), nn.Linear(4, FEATURES)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        mean, spread = self.encoder(x).chunk(2, 1)
        return self.decoder(mean + torch.randn_like(mean) * (spread / 2).exp()), mean, spread


@healthy
def variational_autoencoder() -> UserTask:
    def step(model: nn.Module, batch: Batch) -> dict[str, Tensor]:
        made, mean, spread = model(batch["x"])
        kl = 0.5 * (mean.square() + spread.exp() - 1 - spread).sum(1).mean()
        return {"recon": (made - batch["x"]).square().sum(1).mean(), "kl": 0.1 * kl}

    return UserTask({"x": draw(FEATURES)}, Variational, step)


@healthy
def normalising_flow() -> UserTask:
    class Flow(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.shift, self.scale = nn.Parameter(torch.zeros(FEATURES)), nn.Parameter(torch.zeros(FEATURES))

        def forward(self, x: Tensor) -> Tensor:
            z = (x - self.shift) * self.scale.exp()
            return (z.square() / 2 + math.log(2 * math.pi) / 2 - self.scale).sum(1)

    step = lambda m, b: {"density": m(b["x"]).mean()}  # noqa: E731
    return UserTask({"x": draw(FEATURES) * 0.05}, Flow, step)


@healthy
def policy_gradient() -> UserTask:
    def step(model: nn.Module, batch: Batch) -> dict[str, Tensor]:
        chosen = model(batch["x"]).log_softmax(1).gather(1, batch["action"])[:, 0]
        return {"policy": -(chosen * batch["advantage"]).mean()}

    tensors = {"x": draw(FEATURES), "action": ids(1, NUM_CLASSES), "advantage": draw()}
    return UserTask(tensors, mlp, step, options={"optimizer": OptimizerConfig(lr=3e-4, eps=1e-5)})


@healthy
def views_of_a_sample() -> UserTask:
    def step(model: nn.Module, batch: Batch) -> StepOutput:
        a, b = (F.normalize(model(batch["x"] + 0.1 * torch.randn_like(batch["x"])), dim=1) for _ in range(2))
        logits = a @ b.T / 0.2
        target = torch.arange(len(a), device=a.device)
        loss = (F.cross_entropy(logits, target) + F.cross_entropy(logits.T, target)) / 2
        return StepOutput({"info_nce": loss}, {"z": a.detach()})

    return UserTask({"x": draw(FEATURES)}, lambda: mlp(outputs=8), step, kinds={"info_nce": "supcon"})


@healthy
def two_towers() -> UserTask:
    class Towers(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.left, self.right = mlp(outputs=8), mlp(outputs=8)
            self.scale = nn.Parameter(torch.tensor(2.0))

        def forward(self, a: Tensor, b: Tensor) -> Tensor:
            return self.scale.exp() * F.normalize(self.left(a), dim=1) @ F.normalize(self.right(b), dim=1).T

    def step(model: nn.Module, batch: Batch) -> StepOutput:
        logits = model(batch["a"], batch["b"])
        target = torch.arange(len(logits), device=logits.device)
        return StepOutput({"clip": (F.cross_entropy(logits, target) + F.cross_entropy(logits.T, target)) / 2})

    a = draw(FEATURES)
    return UserTask({"a": a, "b": a + 0.1 * draw(FEATURES, seed=5)}, Towers, step, kinds={"clip": "supcon"})


@healthy
def triplets() -> UserTask:
    def step(model: nn.Module, batch: Batch) -> dict[str, Tensor]:
        a, p, n = (model(batch[name]) for name in ("x", "near", "far"))
        return {"triplet": F.triplet_margin_loss(a, p, n)}

    x = draw(FEATURES)
    return UserTask({"x": x, "near": x + 0.3 * draw(FEATURES, seed=4), "far": draw(FEATURES, seed=8)},
                    lambda: mlp(outputs=6), step)  # fmt: skip


class Teacher(nn.Module):
    """A pupil that follows a slow copy of itself."""

    def __init__(self) -> None:
        super().__init__()
        self.online, self.predictor = mlp(outputs=8), nn.Linear(8, 8)
        self.target = copy.deepcopy(self.online).requires_grad_(False)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        with torch.no_grad():
            for slow, fast in zip(self.target.parameters(), self.online.parameters(), strict=True):
                slow.lerp_(fast, 0.01)
        return self.predictor(self.online(x)), self.target(x)


@healthy
def slow_teacher() -> UserTask:
    def step(model: nn.Module, batch: Batch) -> dict[str, Tensor]:
        noise = 0.1 * torch.randn_like(batch["x"])
        made, wanted = model(batch["x"] + noise)
        return {"pull": 2 - 2 * F.cosine_similarity(made, wanted.detach()).mean()}

    return UserTask({"x": draw(FEATURES)}, Teacher, step)


@healthy
def distillation() -> UserTask:
    torch.manual_seed(0)
    teacher = mlp().eval()

    def step(model: nn.Module, batch: Batch) -> dict[str, Tensor]:
        with torch.no_grad():
            soft = (teacher(batch["x"]) * 5).softmax(1)
        logits = model(batch["x"])
        return {"ce": F.cross_entropy(logits, batch["y"]), "soft": F.cross_entropy(logits, soft)}

    return UserTask(labelled(draw(FEATURES)), mlp, step, classes=True)
