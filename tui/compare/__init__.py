"""Runs side by side, as lines and as text. Pure; knows no widget."""
