"""Processes that train one run together: how they meet, speak and part. Knows no network, no loop and no file."""
