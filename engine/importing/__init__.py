"""Trainings that other tools recorded, made into run directories. Reads their files, never their code; no torch."""
