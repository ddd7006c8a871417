"""From a row of features to a probability of fraud."""
