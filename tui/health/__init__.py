"""What the rules say of a run while it is looked at, and what to do about it. Knows no widget."""
