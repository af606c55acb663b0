"""Trainings of presets and variations of them under several seeds, with tables and plots. Not installed."""
