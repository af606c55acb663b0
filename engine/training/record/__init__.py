"""Every step kept without waiting for the device. Knows device rows and host notes, no task and no file format."""
