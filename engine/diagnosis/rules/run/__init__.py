"""Rules on what the network does with its batches, tried or recorded. Pure functions of facts."""
