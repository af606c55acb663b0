"""The records of a run in formats that other programs read. Knows no command line."""
