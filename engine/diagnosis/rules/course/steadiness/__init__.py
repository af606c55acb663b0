"""Rules on how steadily a training goes: rate, metrics, gradients, evaluations. Pure functions of a log."""
