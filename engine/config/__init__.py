"""What a run is: schema, presets, and overrides that know where they came from. Imports no torch."""
