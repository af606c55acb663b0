"""The command line: one thin file per command, found through the table in `commands.py`."""
