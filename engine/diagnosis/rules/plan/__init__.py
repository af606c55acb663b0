"""Rules on what is known before the first step: data, labels, batches. Pure functions of facts."""
