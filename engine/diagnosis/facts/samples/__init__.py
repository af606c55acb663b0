"""Facts about what the samples themselves tell, before any network: plain data, no torch."""
