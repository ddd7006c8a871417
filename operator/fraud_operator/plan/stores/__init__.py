"""The stores of a detector: Redis and Postgres that the operator runs or is told of, the schema of
what is recorded, and what scorer pods need to know of all three."""
