"""Rules on the loss that is trained, and its gradient: no number, apart, still, or one of two rivals has won."""
