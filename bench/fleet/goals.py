"""What the operator promises, and whether a run kept it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from bench.fleet.bare import Limit
from bench.fleet.creation import Creation, rate_held
from bench.fleet.steady import Idle, Latencies, Restart
from bench.goals import Goal

MOST_STATUS_WRITES = 2
MOST_EVENTS = 3
MOST_MEGABYTES = 250.0

# Others, measured on such a machine (2 cores, everything on it, default QPS).
ORIENTATION = {
    "KubeRay 1.7": {
        "ready": "1,000 clusters in 65 s (15 a second)",
        "requests a custom resource": "8",
        "memory": "158 MB",
        "writes on restart": "0",
        "deleted child back": "under 0.1 s",
    },
    "KServe 0.20 (raw mode)": {
        "ready": "children applied at 17 a second, Ready at 4 a second",
        "requests a custom resource": "57",
        "memory": "117 MB at 300",
        "writes on restart": "not measured",
        "deleted child back": "not measured",
    },
}
_KUBERAY_READY_PER_SECOND = 15.0
_KUBERAY_REQUESTS = 8.0
_KUBERAY_HEALING_SECONDS = 0.1


@dataclass
class Results:
    """Everything that a run measured; what it left out is None."""

    limits: dict[int, Limit] = field(default_factory=dict)
    tried: list[Limit] = field(default_factory=list)
    """With how many detectors at a time the bare script was tried."""
    creations: dict[int, Creation] = field(default_factory=dict)
    steady_count: int = 0
    idle: Idle | None = None
    changes: Latencies | None = None
    losses: Latencies | None = None
    restart: Restart | None = None


def goals(results: Results) -> Iterator[Goal]:
    """Every promise that this run can tell something about."""
    for count, creation in results.creations.items():
        limit = results.limits[count]
        share = limit.applied_seconds / creation.applied_seconds
        yield Goal(
            f"{count}: children applied at half of the bare script's rate or better",
            f"{share:.2f}",
            share >= 0.5,
        )
        longer = creation.ready_seconds / limit.ready_seconds
        yield Goal(
            f"{count}: all Ready within 1.25 x of the bare script's time",
            f"{longer:.2f} x",
            longer <= 1.25,
        )
        yield Goal(
            f"{count}: one apply a child, at most {MOST_STATUS_WRITES} status writes and"
            f" {MOST_EVENTS} Events a detector",
            f"{creation.most_applies_a_child}, {creation.most_status_writes},"
            f" {creation.most_events}",
            creation.most_applies_a_child == 1
            and creation.most_status_writes <= MOST_STATUS_WRITES
            and creation.most_events <= MOST_EVENTS,
        )
    if len(results.creations) > 1:
        held = rate_held(list(results.creations.values()))
        most, fewest = max(results.creations), min(results.creations)
        yield Goal(
            f"the same rate at {most} as at {fewest}, within 25 %", f"{held:.2f} x", held >= 0.75
        )
    if results.creations:
        most = max(results.creations)
        peak = results.creations[most].peak_megabytes
        yield Goal(
            f"{most}: under {MOST_MEGABYTES:.0f} MB at the peak",
            f"{peak:.0f} MB",
            peak < MOST_MEGABYTES,
        )
    yield from _steady(results)
    yield from _others(results)


def _steady(results: Results) -> Iterator[Goal]:
    at = results.steady_count
    if (idle := results.idle) is not None:
        written = sum(idle.other_writes.values())
        yield Goal(
            f"{at} idle for {idle.seconds / 60:.0f} min: no write but the Lease",
            f"{written} writes",
            written == 0,
        )
        yield Goal(
            f"{at} idle: under 2 % of a core", f"{idle.cpu_share:.2%}", idle.cpu_share < 0.02
        )
    if results.changes is not None:
        p99 = results.changes.p99
        yield Goal(
            f"one of {at} changed: in its Deployment in under 1 s (p99)", f"{p99:.2f} s", p99 < 1
        )
    if (restart := results.restart) is not None:
        written = sum(restart.writes.values())
        yield Goal(f"restart with {at}: nothing written", f"{written} writes", written == 0)
        yield Goal(
            f"restart with {at}: ready in under 20 s",
            f"{restart.ready_seconds:.1f} s",
            restart.ready_seconds < 20,
        )


def _others(results: Results) -> Iterator[Goal]:
    """Better than the best of the others. They made fewer children an object than we do: what the
    bare script had Ready is the limit of this machine, and their requests are for one custom
    resource, as ours a detector are."""
    for count, creation in results.creations.items():
        limit = results.limits[count]
        yield Goal(
            f"{count}: more than KubeRay's {_KUBERAY_READY_PER_SECOND:.0f} Ready a second",
            f"{creation.ready_per_second:.1f} (the bare script, our limit here:"
            f" {limit.ready_per_second:.1f})",
            creation.ready_per_second > _KUBERAY_READY_PER_SECOND,
        )
        yield Goal(
            f"{count}: fewer requests a detector than KubeRay's {_KUBERAY_REQUESTS:.0f} a cluster",
            f"{creation.requests_a_detector:.2f} ({creation.requests_an_object:.2f} an object"
            " created)",
            creation.requests_a_detector < _KUBERAY_REQUESTS,
        )
    if results.losses is not None:
        median = results.losses.median
        yield Goal(
            "a deleted child back faster than KubeRay's 0.1 s (median)",
            f"{median:.3f} s",
            median < _KUBERAY_HEALING_SECONDS,
        )
