"""What becomes of a transaction besides its score: answered before? listed? approved on purpose?

    claims            whether a transaction was answered already, here or by another pod   (Redis)
    lists             who is to be declined, or approved, whatever the model says
    random_approvals  a small share of would-be declines, approved so that recall can be measured
    decide            from score, thresholds and these to a decision that says what made it

`decide`, `lists` and `random_approvals` are pure. docs/decisions.md is about all of them.
"""
