"""Welds, embedded from four modalities."""
