"""Terms of a loss and policies: O619, E1016, C302, C303, C318, C319, E1012."""

from __future__ import annotations

import math

import numpy as np
from courses import NAN, epochs, found, grave, noise, steps


def test_a_policy_that_its_updates_do_not_move() -> None:
    reward = -98 + noise(60, 1)
    still = steps(approx_kl=[1e-8] * 60, clip_fraction=[0.0] * 60, ep_rew_mean=reward)
    assert "O619" in found(still)
    healthy = steps(approx_kl=[8e-3] * 60, clip_fraction=[0.0] * 60, ep_rew_mean=reward)
    assert not grave(healthy)


def test_rewards_that_are_nan_after_many_updates() -> None:
    assert "E1016" in found(steps(ep_rew_mean=[NAN] * 5, fps=[900] * 5))
    assert "E1016" not in found(steps(ep_rew_mean=[NAN, NAN, 3.0, 4.0, 5.0], fps=[900] * 5))


def test_losses_of_a_policy_are_not_added_up() -> None:
    rng = np.random.default_rng(0)
    value = rng.uniform(1, 9, 40)
    policy = rng.normal(0, 1e-3, 40)
    rows = steps(policy_gradient_loss=policy, value_loss=value, loss=0.5 * value - 90 * policy)
    assert "E1012" not in found(rows)


def test_a_posterior_that_is_the_prior() -> None:
    recon = 0.14 + noise(30, 0.002)
    assert found(epochs(loss=recon, recon_loss=recon, kl_loss=[4e-7] * 30))["C318"].primary
    used = np.linspace(0.0, 0.05, 30)
    assert "C318" not in found(epochs(loss=recon + used, recon_loss=recon, kl_loss=used)), "warmed up from 0"
    assert "C318" not in found(epochs(loss=recon, kl_loss=[4e-7] * 30)), "a teacher's"


def test_a_term_that_is_paid_for_by_another() -> None:
    k = np.arange(60)
    physics, start = 0.3 * np.exp(-k / 6) + 0.01, 0.2 - 0.16 * np.exp(-k / 6)
    rows = epochs(loss=physics + start, physics_loss=physics, initial_loss=start)
    assert found(rows)["C319"].primary
    for name in ("kl_loss", "commitment_loss", "entropy_loss"):
        assert "C319" not in found(epochs(**{"loss": physics + start, "recon_loss": physics, name: start}))


def test_a_softmax_of_a_softmax_has_a_floor() -> None:
    floor = math.log(math.e + 9) - 1
    loss = floor + 0.84 * np.exp(-np.arange(40) / 6)
    accuracy = 0.98 - 0.85 * np.exp(-np.arange(40) / 6)
    assert found(epochs(loss=loss, acc=accuracy))["C303"].figures["classes"] == 10
    assert "C303" in found(epochs(loss=loss, acc=accuracy), num_classes=10)
    smoothed = 0.5 + 1.8 * np.exp(-np.arange(40) / 6)
    assert not grave(epochs(loss=smoothed, acc=accuracy))
    assert "C303" not in found(epochs(loss=loss, acc=0.5 * accuracy), num_classes=100)


def test_losses_on_boxes_of_exactly_zero() -> None:
    some = 0.02 + noise(10, 1e-3)
    assert "C302" in found(epochs(iou_loss=[0.0] * 10, dfl_loss=[0.0] * 10, cls_loss=some))
    assert "C302" not in found(epochs(iou_loss=some, dfl_loss=[0.0] * 10, cls_loss=some)), "one is switched off"
    assert "C302" not in found(epochs(iou_loss=some, l1_loss=[0.0] * 10, cls_loss=some))
