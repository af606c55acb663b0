"""The eye classifier: backbones, heads, and what puts them together. Knows no data and no task."""
