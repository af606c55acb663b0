"""Why a training does not work: evidence, rules over it, one primary cause, the report. Only `probes` uses torch."""
