"""What torch is heard by exists under the names by which it is replaced, private ones among them."""

# pyright: reportPrivateUsage=false
from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.amp.grad_scaler import GradScaler
from torch.nn.utils import clip_grad
from torch.utils.data import DataLoader
from torch.utils.data.dataloader import _BaseDataLoaderIter

from trainctl.engine.watch.hearing import HEARING
from trainctl.engine.watch.moments import apart, is_in_backward, is_unscaled, listen, scale_of, stop_listening


@pytest.mark.parametrize(
    ("owner", "name"),
    [
        (torch.autograd, "backward"),
        (clip_grad, "_clip_grads_with_norm_"),
        (GradScaler, "scale"),
        (GradScaler, "step"),
        (DataLoader, "__iter__"),
        (_BaseDataLoaderIter, "__next__"),
    ],
)
def test_what_is_replaced_is_there(owner: object, name: str) -> None:
    assert callable(vars(owner)[name])


def test_a_scaler_tells_its_factor_and_whether_gradients_are_unscaled() -> None:
    p = torch.nn.Parameter(torch.ones(1))
    opt, scaler = torch.optim.SGD([p], lr=0.1), GradScaler("cpu", init_scale=4.0)
    assert scale_of(scaler) is None
    scaler.scale(p.sum()).backward()
    assert float(scale_of(scaler) or 0) == 4.0 and not is_unscaled(scaler, opt)
    scaler.unscale_(opt)
    assert is_unscaled(scaler, opt)


def test_a_hook_of_a_gradient_is_within_the_backward_pass() -> None:
    found: list[bool] = []
    p = torch.nn.Parameter(torch.ones(1))

    def hook(p: Tensor) -> None:
        found.append(is_in_backward())

    p.register_post_accumulate_grad_hook(hook)
    (p * 2).sum().backward()
    assert found == [True] and not is_in_backward()


def test_what_is_kept_from_the_compiler_is_called_as_it_is() -> None:
    seen, failed = list[int](), list[Exception]()
    listen(HEARING)
    heard = apart(seen.append, failed.append)

    def step(x: Tensor) -> Tensor:
        heard(len(seen))
        return x + 1

    compiled = torch.compile(step, backend="eager")
    for _ in range(3):
        assert float(compiled(torch.zeros(()))) == 1.0
    assert seen == [0, 1, 2] and not failed, "each time, not only when it was compiled"
    stop_listening()
    heard(3)
    assert len(seen) == 3, "nobody listens any more"


def test_what_goes_wrong_in_hearing_goes_nowhere_else() -> None:
    failed: list[Exception] = []
    listen(HEARING)
    heard = apart(lambda: 1 / 0, failed.append)
    heard()
    stop_listening()
    assert [type(error) for error in failed] == [ZeroDivisionError]
