"""Features, a Gaussian mixture over them, and a regressor. Knows no data and no task."""
