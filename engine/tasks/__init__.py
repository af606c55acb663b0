"""The contract of a task, the table of tasks, and a folder for each that binds data, network, loss and metrics."""
