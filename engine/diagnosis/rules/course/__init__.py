"""Rules on how the figures of a log go over time. Pure functions of a log."""
