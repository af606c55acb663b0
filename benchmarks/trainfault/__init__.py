"""TrainFault: planted faults and healthy trainings, and what the diagnosis says of each.

Trains, judges, tries the fixes and writes `docs/trainfault.md`; see `benchmarks/README.md`. Judges nothing itself.
"""
