"""Sweeps: trials of a space, told to a study on a shared folder. Only `choosing` and `journal` know Optuna."""
