"""What `trainctl compare` prints, as lines and as JSON. Knows no option and no file."""
