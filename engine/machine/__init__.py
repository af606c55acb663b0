"""What the machine does: processors, memory, cards. Read where the system tells it; knows no run and no torch."""
