"""Records a training loop that is not ours: hooks, a row for each step, a run directory like any other.

Knows torch's optimisers and loaders, no task and no trainer; changes no bit of the training that is watched.
"""
