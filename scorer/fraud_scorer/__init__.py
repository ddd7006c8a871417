"""The fraudops scorer: an HTTP service that answers whether a transaction looks like fraud."""
