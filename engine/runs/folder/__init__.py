"""The folder of runs as a whole: its list kept up to date, runs taken out of it or given another name. No torch."""
