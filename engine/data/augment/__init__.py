"""Changes to a batch of images on its device, drawn from a generator. Knows tensors only."""
