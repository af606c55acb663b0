"""Optimisers, learning rate plans, weight averaging and the learning rate finder."""
