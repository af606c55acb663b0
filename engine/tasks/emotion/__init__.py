"""Emotion recognition in conversation. Binds data, network, loss terms and metrics; knows no loop and no other task."""
