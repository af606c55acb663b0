"""Rules on how steadily a training goes: its rate, its metrics, its gradients. Pure functions of a log."""
