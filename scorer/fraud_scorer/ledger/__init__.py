"""What was answered, why, and what turned out to be true: kept so that it can be found again, and
so that nobody can change it unseen.

A serving process appends entries to a chain of its own in the spool (`writer`); a process beside it
ships them to Postgres and seals them in an object store (`shipper`). `verify` reads both.
"""
