"""Welds in four modalities, built in or the user's own. Knows manifests and arrays, no network and no task."""
