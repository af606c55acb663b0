"""What rules judge: plain data about data, network, plan and records. No torch, no rule."""
