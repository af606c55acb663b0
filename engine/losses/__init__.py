"""One loss term a file, and what each can be at best. Knows tensors, no network, no task and no weights."""
