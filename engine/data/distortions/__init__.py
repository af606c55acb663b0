"""The 25 distortions of KADID-10k, batched. Knows tensors and levels, no data set and no score."""
