"""The scorer beside the servers that people use today, one core each: `python -m bench.scorer`."""
