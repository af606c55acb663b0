"""Facts about a step that was looked on: its layers, its losses, what was warned of. Plain data, no torch."""
