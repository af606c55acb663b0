"""More recipes of healthy trainings: networks that begin, or work, in a way that a hasty rule would accuse."""

from __future__ import annotations

import torch
from healthy_tasks import HEALTHY, Convolutions, healthy, images
from torch import Tensor, nn
from torch.nn import functional as F
from user_tasks import FEATURES, NUM_CLASSES, UserTask, classify, draw, ids, labelled, mlp

from trainctl.engine.config.schema import EmaConfig, OptimizerConfig, ScheduleConfig, TrainConfig
from trainctl.engine.data.batch import Batch

__all__ = ["HEALTHY"]


def zero(layer: nn.Module) -> None:
    """Weights and biases at zero."""
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)


class Residual(nn.Module):
    """Blocks whose last layer starts at zero, as an identity; or whose branch is scaled by almost nothing."""

    def __init__(self, start: str) -> None:
        super().__init__()
        self.inlet = nn.Linear(FEATURES, 32)
        self.blocks = nn.ModuleList(nn.Sequential(nn.Linear(32, 32), nn.GELU(), nn.Linear(32, 32)) for _ in range(4))
        self.scale = nn.ParameterList(nn.Parameter(self._first(start)) for _ in range(4))
        self.head = nn.Linear(32, NUM_CLASSES)
        if start == "zero layer":
            for block in self.blocks:
                zero(block.get_submodule("2"))

    @staticmethod
    def _first(start: str) -> Tensor:
        return {"rezero": torch.zeros(1), "layer scale": torch.full((32,), 1e-6)}.get(start, torch.ones(1))

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.inlet(x)
        for block, scale in zip(self.blocks, self.scale, strict=True):
            hidden = hidden + scale * block(hidden)
        return self.head(hidden)


def residual(start: str) -> UserTask:
    """A classifier of these blocks."""
    return UserTask(labelled(draw(FEATURES)), lambda: Residual(start), classify(), classes=True)


@healthy
def branch_scaled_by_zero() -> UserTask:
    return residual("rezero")


@healthy
def branch_scaled_by_a_millionth() -> UserTask:
    return residual("layer scale")


@healthy
def last_layers_at_zero() -> UserTask:
    return residual("zero layer")


@healthy
def head_at_zero() -> UserTask:
    def built() -> nn.Module:
        model = mlp()
        zero(model[-1])
        return model

    return UserTask(labelled(draw(FEATURES)), built, classify(), classes=True)


class Adapted(nn.Module):
    """A frozen layer with a low-rank addition that starts at zero."""

    def __init__(self) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.base = nn.Linear(FEATURES, 64)
        with torch.no_grad():
            self.base.weight.copy_(torch.randn(64, FEATURES, generator=generator) / FEATURES**0.5)
            self.base.bias.zero_()
        self.base.requires_grad_(False)
        self.lora_a, self.lora_b = nn.Linear(FEATURES, 4, bias=False), nn.Linear(4, 64, bias=False)
        nn.init.zeros_(self.lora_b.weight)
        self.lora_head = nn.Linear(64, NUM_CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        return self.lora_head((self.base(x) + self.lora_b(self.lora_a(x))).relu())


@healthy
def low_rank_adapter() -> UserTask:
    options = {"optimizer": OptimizerConfig(lr=3e-3)}
    return UserTask(labelled(draw(FEATURES)), Adapted, classify(), classes=True, options=options)


class Loaded(Convolutions):
    """Its body is as if it were loaded from a file; the norms keep their statistics."""

    def __init__(self) -> None:
        super().__init__()
        with torch.random.fork_rng(), torch.no_grad():
            torch.manual_seed(5)
            for parameter in self.body.parameters():
                parameter.copy_(torch.randn(parameter.shape) * 0.2 + (parameter.dim() == 1))
            for name, buffer in self.body.named_buffers():
                if buffer.is_floating_point():
                    buffer.copy_(torch.rand(buffer.shape) + (0.5 if "var" in name else 0))

    def train(self, mode: bool = True) -> Loaded:
        super().train(mode)
        for module in self.body:
            if isinstance(module, nn.BatchNorm2d):
                module.eval()
        return self


@healthy
def fine_tuning_with_the_norms_in_evaluation() -> UserTask:
    options = {"optimizer": OptimizerConfig(lr=1e-4)}
    return UserTask(labelled(images()), Loaded, classify(), classes=True, options=options)


@healthy
def frozen_body_that_was_loaded() -> UserTask:
    def built() -> nn.Module:
        model = Loaded()
        model.body.requires_grad_(False)
        return model

    return UserTask(labelled(images()), built, classify(), classes=True)


class Experts(nn.Module):
    """Each sample goes to the two of four experts that the gate prefers."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = nn.Linear(FEATURES, 4)
        self.experts = nn.ModuleList(mlp(outputs=16) for _ in range(4))
        self.head = nn.Linear(16, NUM_CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        weight, chosen = self.gate(x).softmax(1).topk(2, 1)
        hidden = torch.zeros(len(x), 16)
        for number, expert in enumerate(self.experts):
            row, place = (chosen == number).nonzero(as_tuple=True)
            if len(row):
                hidden = hidden.index_add(0, row, weight[row, place, None] * expert(x[row]))
        return self.head(hidden)


@healthy
def mixture_of_experts() -> UserTask:
    return UserTask(labelled(draw(FEATURES)), Experts, classify(), classes=True)


@healthy
def deep_plain_network() -> UserTask:
    net = lambda: nn.Sequential(  # noqa: E731
        nn.Linear(FEATURES, 32), *[layer for _ in range(6) for layer in (nn.ReLU(), nn.Linear(32, 32))], nn.ReLU(),
        nn.Linear(32, NUM_CLASSES),
    )  # fmt: skip
    return UserTask(labelled(draw(FEATURES)), net, classify(), classes=True)


@healthy
def sigmoid_network() -> UserTask:
    return UserTask(labelled(draw(FEATURES)), lambda: mlp(act=nn.Sigmoid), classify(), classes=True)


@healthy
def linear_model_at_a_high_rate() -> UserTask:
    options = {"optimizer": OptimizerConfig(lr=0.05)}
    net = lambda: nn.Linear(FEATURES, NUM_CLASSES)  # noqa: E731
    return UserTask(labelled(draw(FEATURES)), net, classify(), classes=True, options=options)


@healthy
def factors_of_users_and_items() -> UserTask:
    class Factors(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.user, self.item = nn.Embedding(400, 8), nn.Embedding(400, 8)
            nn.init.normal_(self.user.weight, std=0.05)
            nn.init.normal_(self.item.weight, std=0.05)

        def forward(self, pair: Tensor) -> Tensor:
            return (self.user(pair[:, 0]) * self.item(pair[:, 1])).sum(1)

    def step(model: nn.Module, batch: Batch) -> dict[str, Tensor]:
        return {"mse": F.mse_loss(model(batch["x"]), batch["y"])}

    options = {"optimizer": OptimizerConfig(name="adam", lr=1e-2)}
    return UserTask({"x": ids(2, 400), "y": draw()}, Factors, step, options=options)


@healthy
def equation_of_motion() -> UserTask:
    def step(model: nn.Module, batch: Batch) -> dict[str, Tensor]:
        with torch.enable_grad():
            t = batch["t"].detach().clone().requires_grad_()
            y = model(t)
            (slope,) = torch.autograd.grad(y.sum(), t, create_graph=True)
        return {"residual": (slope + y).square().mean(), "start": (model(torch.zeros(1, 1)) - 1).square().mean()}

    t = torch.rand(320, 1, generator=torch.Generator().manual_seed(2))
    return UserTask({"t": t}, lambda: mlp(1, 1, nn.Tanh), step)


@healthy
def denoising() -> UserTask:
    def step(model: nn.Module, batch: Batch) -> dict[str, Tensor]:
        level, noise = torch.rand(len(batch["x"]), 1), torch.randn_like(batch["x"])
        made = model(torch.cat([(1 - level) * batch["x"] + level * noise, level], 1))
        return {"mse": F.mse_loss(made, noise)}

    return UserTask({"x": draw(FEATURES)}, lambda: mlp(FEATURES + 1, FEATURES), step)


@healthy
def hardest_half_of_a_batch() -> UserTask:
    def step(model: nn.Module, batch: Batch) -> dict[str, Tensor]:
        losses = F.cross_entropy(model(batch["x"]), batch["y"], reduction="none")
        return {"ce": losses.topk(len(losses) // 2).values.mean()}

    return UserTask(labelled(draw(FEATURES)), mlp, step, classes=True)


@healthy
def maps_of_classes_in_batches_of_four() -> UserTask:
    def step(model: nn.Module, batch: Batch) -> dict[str, Tensor]:
        return {"ce": F.cross_entropy(model(batch["x"]), batch["map"])}

    net = lambda: nn.Sequential(  # noqa: E731
        nn.Conv2d(3, 8, 3, padding=1), nn.GroupNorm(2, 8), nn.ReLU(), nn.Conv2d(8, 2, 1)
    )
    x = images()
    return UserTask(
        {"x": x, "map": (x[:, 0] > 0.5).long()}, net, step, options={"train": TrainConfig(epochs=10, batch_size=4)}
    )


@healthy
def averaged_weights_with_a_ramp() -> UserTask:
    options = {"ema": EmaConfig(decay=0.999)}
    return UserTask(labelled(draw(FEATURES)), mlp, classify(), classes=True, options=options)


@healthy
def strong_decay_of_a_short_run() -> UserTask:
    options = {"optimizer": OptimizerConfig(lr=1e-3, weight_decay=1.0)}
    return UserTask(labelled(draw(FEATURES)), mlp, classify(), classes=True, options=options)


@healthy
def restarts_and_no_validation_for_two_epochs() -> UserTask:
    options = {
        "schedule": ScheduleConfig(name="cosineannealingwarmrestarts", arguments={"T_0": 5}),
        "train": TrainConfig(epochs=30, batch_size=32, eval_every=2),
    }
    return UserTask(labelled(draw(FEATURES)), mlp, classify(), classes=True, options=options)


@healthy
def one_cycle() -> UserTask:
    options = {"schedule": ScheduleConfig(name="onecyclelr"), "optimizer": OptimizerConfig(lr=1e-2)}
    return UserTask(labelled(draw(FEATURES)), mlp, classify(), classes=True, options=options)


@healthy
def steps_at_the_usual_places() -> UserTask:
    schedule = ScheduleConfig(name="multisteplr", arguments={"milestones": [10, 15], "gamma": 0.1})
    options = {"schedule": schedule, "optimizer": OptimizerConfig(name="sgd", lr=0.1)}
    return UserTask(labelled(draw(FEATURES)), mlp, classify(), classes=True, options=options)


@healthy
def sequences_before_batches() -> UserTask:
    class TimeFirst(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.cells, self.head = nn.GRU(6, 16), nn.Linear(16, NUM_CLASSES)

        def forward(self, x: Tensor) -> Tensor:
            return self.head(self.cells(x.transpose(0, 1))[0][-1])

    return UserTask(labelled(draw(10, 6)), TimeFirst, classify(), classes=True)


@healthy
def dropout_left_on_where_it_is_meant() -> UserTask:
    class Head(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body, self.head = mlp(outputs=16), nn.Linear(16, NUM_CLASSES)

        def forward(self, x: Tensor) -> Tensor:
            return self.head(F.dropout(self.body(x).relu(), 0.2, training=self.training))

    return UserTask(labelled(draw(FEATURES)), Head, classify(), classes=True)


@healthy
def lion_of_a_rate_and_small_batches() -> UserTask:
    options = {"optimizer": OptimizerConfig(name="rmsprop", lr=1e-3), "train": TrainConfig(epochs=10, batch_size=8)}
    return UserTask(labelled(draw(FEATURES)), mlp, classify(), classes=True, options=options)
