"""What the first steps of a foreign loop show beside its figures. Knows hooks and graphs, no rule and no file."""
