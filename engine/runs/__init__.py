"""The run directory: what the trainer writes and everything else reads. Never imports torch."""
