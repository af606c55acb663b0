"""Facts from the records of a run. Reads files; knows no rule, no model and no torch."""
