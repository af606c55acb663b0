"""Measures trainctl against loops written by hand and against other tools; see README.md. Not installed."""

import os

# As the command line does, and before torch is imported: all loops wait for their threads alike.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
