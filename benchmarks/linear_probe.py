"""How well a linear classifier on raw pixels tells the built-in eyes apart: the bar a network must clear.

Usage: python benchmarks/linear_probe.py [--seed 42] [--samples 6000]

Several strengths of regularisation are tried and the best on the *validation* split is reported, so the figure
is, if anything, too kind to the linear classifier.
"""

from __future__ import annotations

import argparse
import warnings

from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, f1_score
from sklearn.preprocessing import StandardScaler

from trainctl.engine.data.eyes import load_eyes
from trainctl.engine.tasks.eyes.config import EyesConfig, EyesData
from trainctl.engine.tasks.task import Split

STRENGTHS = (1e-5, 1e-4, 1e-3, 1e-2)
"""Inverse regularisation strengths C."""


def pixels(split: Split) -> object:
    """Raw pixels, one row per image, 0 … 1."""
    return split.tensors["images"].flatten(1).float().div(255).numpy()


def main() -> None:
    """Fit and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--samples", type=int, default=EyesData().samples)
    options = parser.parse_args()
    warnings.simplefilter("ignore")  # 100 iterations do not always converge; more change the figures by .002
    splits = load_eyes(EyesConfig(seed=options.seed, data=EyesData(samples=options.samples)), None)
    scaler = StandardScaler()
    train, val = scaler.fit_transform(pixels(splits.train)), scaler.transform(pixels(splits.val))
    train_labels, val_labels = (split.tensors["labels"].numpy() for split in (splits.train, splits.val))
    best = 0.0
    print(f"{'C':>8}  {'F1':>6}  {'accuracy':>8}")
    for strength in STRENGTHS:
        probe = LogisticRegression(C=strength, max_iter=100).fit(train, train_labels)
        guess = probe.predict(val)
        score, accuracy = f1_score(val_labels, guess), accuracy_score(val_labels, guess)
        best = max(best, score)
        print(f"{strength:8.0e}  {score:6.3f}  {accuracy:8.3f}")
    print(f"linear probe F1 {best:.3f} on {len(val_labels)} validation images, seed {options.seed}")


if __name__ == "__main__":
    main()
