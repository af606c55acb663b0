"""A function of tensors recorded once, launched as one from then on. Knows no step, no task and no record."""
