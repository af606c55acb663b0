"""What the machine did while a run trained, and where the time went: a file of its own in the run directory."""
