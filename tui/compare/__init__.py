"""Runs side by side: what is compared of them, as rows and as lines. Pure; knows no widget."""
