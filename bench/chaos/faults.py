"""The faults, one function each: break something under load, mend it, and load on.

How long something stays broken is counted in requests: a fault is over when so many were answered.
"""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from os import kill

import psycopg

from bench.chaos.ground import CONNECTIONS, Ground
from bench.chaos.load import Heard, Load, loading, transaction
from bench.chaos.pods import Pod
from bench.chaos.proxy import slow

BLOCKED = 503
"""What the policy `block` answers where nothing can be recorded any more."""
_SPOOL = "32Mi"
"""The smallest that two processes can have."""
_PADDING, _OVERFULL = 14, 7_000
"""Entities besides, and how many such records are more than that spool holds."""


@dataclass(frozen=True)
class Scale:
    """`rate`: requests a second. `calm` and `broken`: requests before and after a fault, and during
    one. `away`: seconds without Postgres while pods come and go."""

    rate: float = 150.0
    calm: int = 200
    broken: int = 750
    away: float = 60.0
    kills: int = 50


FULL_AWAY = 600.0
QUICK = Scale(rate=100.0, calm=50, broken=150, away=4.0, kills=4)


@dataclass
class Played:
    """What a fault did to those who asked. `wrong`: what it should not have done besides."""

    heard: Heard
    refused: int = 0
    """Requests that the declared policy refuses."""
    wrong: list[str] = field(default_factory=list)


Fault = Callable[[Ground, Scale], Played]


def faults() -> Iterator[tuple[str, Fault]]:
    """By name, in the order in which they are played."""
    yield "Redis killed", _with(_redis_killed)
    yield "Redis hung", _with(_redis_hung)
    yield "Redis slow", _redis_slow
    yield "Redis flushed", _with(_redis_flushed)
    yield "Postgres killed", _with(_postgres_killed)
    yield "Postgres hung", _with(_postgres_hung)
    yield "Postgres read-only", _with(_postgres_read_only)
    yield "Postgres' disk full", _with(_disk_full)
    yield "Postgres out of connections", _with(_no_connections)
    yield "Postgres away, pods come and go", _away
    yield "scorer killed -9 at random", _killed
    yield "all stores gone, block", _all_gone("block")
    yield "all stores gone, degrade", _all_gone("degrade")


def needs_small_disk(name: str) -> bool:
    """Whether the fault can only be played where Postgres has a file system of its own."""
    return "disk" in name


def takes_long(name: str) -> bool:
    """Whether a spool must be filled for it."""
    return name.startswith("all stores")


def _with(broken: Callable[[Ground, Load, Scale], None]) -> Fault:
    """A fault of a store, which one pod lives through."""

    def play(ground: Ground, scale: Scale) -> Played:
        pod = ground.pod()
        with loading(scale.rate, transaction) as load:
            load.ask(pod.port)
            load.more(scale.calm)
            broken(ground, load, scale)
            load.more(scale.calm)
            return Played(load.end())

    return play


def _redis_killed(ground: Ground, load: Load, scale: Scale) -> None:
    ground.redis.kill()
    load.more(scale.broken)
    ground.redis.start()


def _redis_hung(ground: Ground, load: Load, scale: Scale) -> None:
    ground.redis.freeze()
    load.more(scale.broken)
    ground.redis.resume()


def _redis_flushed(ground: Ground, load: Load, scale: Scale) -> None:
    ground.redis.client().flushall()
    load.more(scale.broken)


def _redis_slow(ground: Ground, scale: Scale) -> Played:
    with slow(ground.redis.port) as proxy:
        pod = ground.pod(redis_port=proxy.port)
        with loading(scale.rate, transaction) as load:
            load.ask(pod.port)
            load.more(scale.calm)
            proxy.delay = 0.05
            load.more(scale.broken)
            proxy.delay = 0.0
            load.more(scale.calm)
            played = Played(load.end())
        ground.end_pods()
        return played


def _postgres_killed(ground: Ground, load: Load, scale: Scale) -> None:
    ground.postgres.stop(signal.SIGQUIT)
    load.more(scale.broken)
    ground.postgres.start()


def _postgres_hung(ground: Ground, load: Load, scale: Scale) -> None:
    ground.postgres.freeze()
    load.more(scale.broken)
    ground.postgres.resume()


def _postgres_read_only(ground: Ground, load: Load, scale: Scale) -> None:
    ground.postgres.sql("ALTER SYSTEM SET default_transaction_read_only = on")
    ground.postgres.sql("SELECT pg_reload_conf()")
    load.more(scale.broken)
    ground.postgres.sql("ALTER SYSTEM RESET default_transaction_read_only")
    ground.postgres.sql("SELECT pg_reload_conf()")


def _disk_full(ground: Ground, load: Load, scale: Scale) -> None:
    ground.disk.fill()
    load.more(scale.broken)
    ground.disk.free()
    if ground.postgres.ended():  # it ends where it cannot write its log: Kubernetes starts it anew
        ground.postgres.start()


def _no_connections(ground: Ground, load: Load, scale: Scale) -> None:
    taken: list[psycopg.Connection] = []
    try:
        _take_all(ground, taken)
        # Those whom the scorer has are ended, and taken before it comes again.
        for _ in range(CONNECTIONS):
            ended = (
                taken[0]
                .execute(
                    "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
                    " WHERE usename LIKE 'fraudops%%'"
                )
                .fetchone()
            )
            _take_all(ground, taken)
            if ended == (0,):
                break
        load.more(scale.broken)
    finally:
        for one in taken:
            one.close()


def _take_all(ground: Ground, taken: list[psycopg.Connection]) -> None:
    """Superusers may have the last ones, too."""
    with suppress(psycopg.OperationalError):
        while True:
            taken.append(psycopg.connect(ground.postgres.dsn(), autocommit=True))


def _away(ground: Ground, scale: Scale) -> Played:
    """A pod comes and one goes, again and again, and at last one of two goes for good."""
    serving = [ground.pod(), ground.pod()]
    codes: list[int] = []
    with loading(scale.rate, transaction) as load:
        load.ask(*(pod.port for pod in serving))
        load.more(scale.calm)
        ground.postgres.stop()
        end = time.monotonic() + scale.away
        while True:
            load.more(scale.calm)
            if time.monotonic() >= end:
                break
            serving.append(ground.pod())
            codes.append(_remove(ground, load, serving))
        codes.append(_remove(ground, load, serving))
        ground.postgres.start()
        load.more(scale.calm)
        played = Played(load.end())
    if bad := [code for code in codes if code]:
        played.wrong.append(f"{len(bad)} of {len(codes)} pods left records in their spools")
    return played


def _remove(ground: Ground, load: Load, serving: list[Pod]) -> int:
    """Take the oldest one away from who asks, then delete it; its exit code."""
    oldest = serving.pop(0)
    load.ask(*(pod.port for pod in serving))
    oldest.terminate()
    ground.pods.remove(oldest)
    return oldest.gone()


def _killed(ground: Ground, scale: Scale) -> Played:
    """A serving process, the one that ships, or all of them at once: then the container is started
    again, on the same spool."""
    chosen = random.Random(7)
    pods = [ground.pod(), ground.pod()]
    with loading(scale.rate, transaction) as load:
        load.ask(*(pod.port for pod in pods))
        load.more(scale.calm)
        for number in range(scale.kills):
            pod, what = pods[number % 2], chosen.choice(("serving", "shipping", "all"))
            load.more(chosen.randrange(1, scale.calm // 2))
            if what == "all":
                pod.kill()
                pod.start()
                continue
            for pid in pod.serving()[:1] if what == "serving" else pod.shipping():
                with suppress(ProcessLookupError):
                    kill(pid, signal.SIGKILL)
        load.more(scale.calm)
        return Played(load.end())


def _all_gone(when_full: str) -> Fault:
    """Both stores and the object store, for longer than the spool has room for."""

    def play(ground: Ground, scale: Scale) -> Played:
        pod = ground.pod(limit=_SPOOL, when_full=when_full)
        with loading(scale.rate * 2, lambda name: transaction(name, padding=_PADDING)) as load:
            load.ask(pod.port)
            load.more(scale.calm)
            ground.redis.kill()
            ground.postgres.stop(signal.SIGQUIT)
            assert ground.s3 is not None
            ground.s3.stop()
            load.more(_OVERFULL)
            ground.redis.start()
            ground.postgres.start()
            ground.start_s3()
            load.more(scale.calm)
            heard = load.end()
        refused = heard.statuses.pop(BLOCKED, 0) if when_full == "block" else 0
        wrong = [] if refused or when_full == "degrade" else ["nothing was refused: was it full?"]
        return Played(heard, refused, wrong)

    return play
