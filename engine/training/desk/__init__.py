"""What connects the loop with the outside: files, a background thread, commands, signals. Knows no network."""
