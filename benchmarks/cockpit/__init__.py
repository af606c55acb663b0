"""Measures the cockpit where it is used: in a terminal, beside a run that is being written; see README.md."""
