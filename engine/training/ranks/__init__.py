"""Processes that train one run together: how they meet, speak and part. Knows no loop and no file.

Of networks `fitting` and `units` alone know: whether, and in which parts, they can be trained together.
"""
