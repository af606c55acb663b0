"""One thin file a command, found through the table in `table.py`."""
