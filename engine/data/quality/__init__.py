"""Pictures with the score people gave: made, photographed or KADID-10k. Knows no network and no task."""
