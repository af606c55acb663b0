"""One module for each kind of source: what trainings it holds, and how each is read. Knows no run directory."""
