"""The command line: the table of commands, how one is run, and what they share."""
