"""Dialogues in three modalities, built in or the user's own. Knows formats and generation, no network and no task."""
