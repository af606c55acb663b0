"""What leaves the terminal when a run ends or a fault is found: a command, a POST, a bell, a notification.

A process of its own follows the run directory like any other reader, so that the training never waits for it, and a
training that is killed is told of too. Knows no widget and no torch.
"""
