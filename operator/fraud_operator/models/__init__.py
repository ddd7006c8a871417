"""The model stores, looked at with each detector's own credentials. Decides nothing; see `plan`."""
