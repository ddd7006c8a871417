"""The fraudops operator: turns a FraudDetector into all that scoring in production needs."""
