"""The embedding of four modalities: encoders, fusion. Knows no data and no task."""
