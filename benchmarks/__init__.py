"""Measures trainctl against loops written by hand and against other tools; see README.md. Not installed."""
