"""A real Kubernetes for tests, demo and benchmarks. `python -m tests.cluster` is its command.

Tests need only these names; docs/development/cluster.md tells how it works.
"""

from tests.cluster.api import Cluster, ClusterError, ensure

__all__ = ["Cluster", "ClusterError", "ensure"]
