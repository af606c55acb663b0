"""Epochs of steps, validation and what is obeyed in between. Knows no file format and no screen."""
