"""Trains a run: what is built for it, one sitting, forks, restoring. Knows the contract of a task, no task by name."""
