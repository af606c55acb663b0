"""What can be foreseen of a run before it starts: errors of the task's own code, validations, the learning rate."""
