"""The engine: trains, records, explains. It never imports the cockpit.

A run is a directory: the trainer writes it, everything else reads it. Nothing is imported here, so that
reading a run costs no torch import.
"""
