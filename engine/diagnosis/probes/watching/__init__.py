"""What looks on while a step is made: functions of torch that are called, layers, losses, warnings. Judges nothing."""
