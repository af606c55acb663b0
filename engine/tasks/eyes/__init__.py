"""Open or closed eyes."""
