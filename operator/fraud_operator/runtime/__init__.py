"""What the operator runs on: work queue, leader lease, Kubernetes client, metrics, logs, health.

Nothing in here knows what a FraudDetector is; `controller` does.
"""
