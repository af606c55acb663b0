"""What has to touch data and network to gather evidence. Leaves no trace and judges nothing."""
