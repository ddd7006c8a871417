"""The one way a transaction takes, whatever door it came in by.

    admit    who asks, until when, traced how           (headers)
    parse    bytes to a ScoreRequest                    (the envelope)
    features the model's inputs, in its order           (the manifest)
    score    the probability of fraud, and reasons      (the model)
    decide   approve, review or decline                 (the thresholds)
    record   what must be remembered of the answer

`pipeline.Pipeline` puts them in this order; each stage is a module.
"""
