"""Faults of all stores under constant load: nothing acknowledged is lost, nobody gets a 5xx."""

from bench.chaos.command import main

__all__ = ["main"]
