"""The cockpit and the command line: readers of run directories. Nothing here imports torch."""
