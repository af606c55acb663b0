"""Networks: what several share here, one folder a task. Knows tensors and options, no data, no loop."""
