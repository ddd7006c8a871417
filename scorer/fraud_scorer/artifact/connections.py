"""Connections to Postgres as a budget: what all pods together may open stays below what it takes.

Pure arithmetic, shared by the operator, which sizes the pools, and the scorer, which keeps to them.
A pod's serving processes have two pools each; its shipper has one session and a spare. A server
that is asked for more refuses somebody, and nobody can say whom: so pools shrink first, evenly, and
where even one connection each is too many, the budget does not hold and says what would.
"""

from __future__ import annotations

from dataclasses import dataclass

SHIPPING = 2
"""Of a pod that records: one session, and one while it comes back from a broken one."""
SURGE = 1
"""Pods beyond the wanted number while a Deployment is rolled out."""


@dataclass(frozen=True, slots=True)
class Pools:
    """Connections of one serving process."""

    history: int = 2
    """To read histories of entities that Redis does not have. 0: none are read."""
    lookups: int = 1
    """For labels, look-ups and lists."""

    @property
    def total(self) -> int:
        """Of both."""
        return self.history + self.lookups

    def shrunk(self) -> Pools:
        """With one connection less in the larger pool; the same where each has one at the most."""
        if self.history > 1 and self.history >= self.lookups:
            return Pools(self.history - 1, self.lookups)
        if self.lookups > 1:
            return Pools(self.history, self.lookups - 1)
        return self


@dataclass(frozen=True, slots=True)
class Budget:
    """Who opens how many, at the worst moment: all pods there can be, one more, and every Job."""

    allowed: int
    """What Postgres takes, less what is kept for others."""
    replicas: int
    """Most scorer pods that are wanted at once."""
    processes: int
    """Serving processes of a pod."""
    jobs: int
    """Jobs that may run at the same time, with a connection each."""
    shipping: int
    """Connections of a pod's shipper."""
    pools: Pools

    @property
    def pods(self) -> int:
        """While a roll-out is under way."""
        return self.replicas + SURGE if self.replicas else 0

    @property
    def per_pod(self) -> int:
        """Of one pod."""
        return self.processes * self.pools.total + self.shipping

    @property
    def used(self) -> int:
        """By everybody, at the most."""
        return self.pods * self.per_pod + self.jobs

    @property
    def holds(self) -> bool:
        """Whether nobody can be refused."""
        return self.used <= self.allowed


def budget(
    *,
    allowed: int,
    replicas: int,
    processes: int,
    jobs: int,
    records: bool = True,
    wanted: Pools | None = None,
) -> Budget:
    """The budget with the largest pools, up to those that are `wanted`, with which it holds; where
    it holds with none, that with the smallest."""
    pools = wanted or Pools()
    while True:
        found = Budget(
            allowed=allowed,
            replicas=replicas,
            processes=processes,
            jobs=jobs,
            shipping=SHIPPING if records else 0,
            pools=pools,
        )
        smaller = pools.shrunk()
        if found.holds or smaller == pools:
            return found
        pools = smaller
