"""A page about runs for somebody without a terminal: one HTML file that needs no network and no script.

Reads runs through the feed, the comparison and the judgement that the cockpit shows; writes no file (the command does).
Knows no widget and no torch.
"""
