"""FraudDetector as people write it: fields, their bounds, the rules between them, and its CRD.

`frauddetector` is the way in; each section of the spec has a module of its own. Nothing here knows
the cluster: a default is resolved in `plan`, never here, so that what people left out stays out.
"""
