"""What a FraudDetector should look like in the cluster: pure functions, no clock, no I/O.

`detector.plan` is the way in; each other module makes one kind of object or one decision.
"""
