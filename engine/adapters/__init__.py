"""Watching for trainers that others wrote: `trainctl.adapters.lightning`, `.transformers`, `.accelerate`.

Each is for one trainer and is all that knows it. Numbers of steps come from the hooks of `engine/watch`; an adapter
brings names, validations, stop and checkpoint. Nothing is imported until its module is asked for.
"""
