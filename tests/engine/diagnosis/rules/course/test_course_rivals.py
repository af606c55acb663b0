"""Two networks that play against each other, of which one learns nothing: C320."""

from __future__ import annotations

import numpy as np
import pytest
from courses import epochs, found, grave, noise, steps

SURE = [1.8, 0.9, 0.04, 0.01, 0.0004, 0.0002, 0.0, 0.0001, 0.0, 0.0]


@pytest.mark.parametrize(("judge", "maker"), [("Loss_D", "Loss_G"), ("disc_loss", "gen_loss"), ("D Loss", "G Loss")])
def test_a_discriminator_that_is_certain_of_every_sample_has_won(judge: str, maker: str) -> None:
    finding = found(steps(**{judge: SURE, maker: np.linspace(1, 40, 10)}))["C320"]
    assert finding.primary and judge in finding.summary


def test_rivals_that_are_level_are_left_alone() -> None:
    level = np.abs(0.2 + noise(60, 0.1)) + 0.02
    assert not grave(steps(D_loss=level, G_loss=3 + noise(60, 0.8)))
    assert not grave(steps(D_loss=[*[0.5] * 30, 0.0, 0.0001, *[0.4] * 28], G_loss=3 + noise(60, 0.8)))
    assert not grave(steps(critic_loss=[3e-5, 1e-4, *[2e-4] * 8], generator_loss=np.linspace(0.01, 0.02, 10)))
    assert not grave(steps(D_loss=[-3e-5, 2e-5, *[-1e-4] * 8], G_loss=[0.1] * 10)), "a difference of scores, no log"
    assert not grave(steps(d_loss_real=SURE, d_loss_fake=[0.6] * 10, g_loss=[0.9 + k / 100 for k in range(10)]))


def test_a_task_that_is_learned_beside_a_discriminator_is_the_measure() -> None:
    total = 2 * 0.8 ** np.arange(10)
    assert "C320" not in found(epochs(loss=total, loss_d=SURE, loss_g=[1.0] * 10))


def clamped(value: str, other: str = "-0.0") -> str:
    return "".join(f"Step: {100 * k} Gen_loss: {other} Dis_loss: {value}\n" for k in range(1, 7))


@pytest.mark.parametrize(("value", "said"), [("13.82", "1e-06"), ("18.4207", "1e-08"), ("27.631", "1e-12")])
def test_a_loss_at_the_bound_of_a_logarithm_passes_no_gradient(value: str, said: str) -> None:
    assert said in found(clamped(value))["C320"].summary
    assert "C320" not in found(clamped(value[:-1] + "9")), "constant elsewhere"


def test_a_bound_that_is_only_passed_is_none() -> None:
    assert "C320" not in found(steps(gen_loss=[0.1] * 6, dis_loss=[13.9, 13.8155, 13.2, 12.0, 9.0, 5.0]))


def test_a_critic_that_never_told_real_from_fake_is_dead() -> None:
    score = -0.01 + noise(20, 0.0005)
    alike = {"cl_real": score, "cl_fake": score * 1.002, "generator_loss": -score}
    finding = found(epochs(critic_loss=noise(20, 1e-5), **alike))["C320"]
    assert "cl_real and cl_fake" in finding.summary and "clip" in finding.fix.text
    learned = {**alike, "cl_fake": score - np.linspace(0, 1, 20)}
    assert "C320" not in found(epochs(critic_loss=-np.linspace(0, 1, 20), **learned))
    even = {"D_x_real": [0.5] * 20, "D_x_fake": [0.501] * 20}
    assert "C320" not in found(epochs(loss_d=[1.386] * 20, loss_g=[0.69] * 20, **even)), "rivals that are level"
