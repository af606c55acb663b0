"""Events, figures and verdicts as text, the same on every surface. Pure; knows no widget and no file."""
