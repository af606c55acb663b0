"""Logs of any tool as evidence: readers of several formats, one table, and what its names mean. No torch."""
