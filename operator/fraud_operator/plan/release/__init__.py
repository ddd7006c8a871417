"""Which model answers: decided in one pure function, `decide.decide`, from all that is known.

`record` is the operator's memory between two looks, `decision` what is decided, `compare` whether a
candidate does as well as the active revision, `history` what was active before.
"""
