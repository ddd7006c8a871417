"""What the cluster looks like now: fed by watches and lists, read one detector at a time."""
