"""What each of several ranks recorded of its own part, beside the records of the run. Knows files, no process."""
