"""Sweeps: trials of a space of values, told to a study on a shared folder. Only `journal` knows Optuna."""
