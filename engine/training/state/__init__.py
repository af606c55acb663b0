"""What determines how a run goes on, saved and restored whole. Knows no loop and no screen."""
