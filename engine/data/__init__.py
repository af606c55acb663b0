"""Where batches come from: sources by task, splits, samplers, augmentation, batches on the device. Knows no loop."""
