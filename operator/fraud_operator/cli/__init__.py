"""The commands `fraud-operator` and `kubectl-fraud`."""
