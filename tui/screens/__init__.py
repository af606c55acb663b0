"""Screens: the cockpit, the list of runs, comparison, replay. Ask through the session, read no files."""
