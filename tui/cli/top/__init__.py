"""`trainctl top`: what the machine does, and the runs that are live in a folder. Reads; never touches a run."""
