"""Readers of the formats that logs come in; each gives the same table."""
