"""Pages on a `trainctl` command in a process of its own: data, diagnosis, learning rate finder."""
