"""A run in the terminal that started it: block, lines, console log. Reads the run directory only."""
