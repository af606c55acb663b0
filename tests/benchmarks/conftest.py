"""Leaves out what this system cannot run."""

from importlib.util import find_spec
from pathlib import Path

has_all = find_spec("fcntl") is not None and Path("/proc/self/smaps_rollup").exists()
collect_ignore = [] if has_all else ["test_cockpit_benchmarks.py"]
