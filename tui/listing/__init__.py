"""What a list of runs shows, and in which order: filter, columns to sort by, loss at a glance, the look into one run.

Knows no widget; only `courses` and `preview` read files.
"""
