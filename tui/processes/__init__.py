"""Processes the cockpit starts: trainings, jobs, a web server. Never waits for them, imports no torch."""
