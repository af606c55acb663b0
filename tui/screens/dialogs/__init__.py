"""Boxes in the middle of the screen that ask or tell one thing. Know nothing of runs."""
