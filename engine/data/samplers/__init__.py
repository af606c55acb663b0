"""Which samples form a batch: pure functions of (seed, epoch). Knows indices and labels, never a sample."""
