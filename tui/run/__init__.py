"""The model of one run for the screen: what is read of it, kept of it and shown of it. Knows no widget."""
