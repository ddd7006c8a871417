"""Benchmarks: each is a package with a command of its own. `make bench` runs all."""
