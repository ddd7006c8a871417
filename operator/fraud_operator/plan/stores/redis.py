"""The Redis of a detector: a cache of histories and claims, in memory alone.

Nothing is written to a disk. What it loses, with its pod or because its memory is full, is read
from Postgres again; the ACL lets scorers do what they need and nothing that looks into or empties
the whole of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from fraud_operator.api.frauddetector import FraudDetector
from fraud_operator.api.redis import ManagedRedis
from fraud_operator.plan.children import REDIS
from fraud_operator.plan.generated import Random, Value, WithDigest
from fraud_operator.plan.pod_template import mount, placement, restricted
from fraud_operator.plan.stores import workload
from fraud_operator.plan.stores.names import redis_auth_name, redis_name, store_metadata
from fraud_operator.plan.stores.resources import StoreSize, store_size
from fraud_operator.plan.stores.workload import Workload, store_image
from fraud_operator.plan.types import ChildKey, Desired, Manifested, OperatorDefaults

CONTAINER = "redis"
PORT = 6379
DEFAULT_VERSION = "7.2"
DEFAULT_CPU, DEFAULT_MEMORY = "100m", "512Mi"
LOGIN = "fraudops"

COMMANDS = (
    *("get", "mget", "getrange", "set", "setrange", "getdel", "del", "unlink", "exists", "incrby"),
    *("expire", "pexpire", "persist", "ttl", "pttl"),
    *("hget", "hmget", "hgetall", "hset", "hdel"),
    *("eval", "evalsha", "script|load", "script|exists", "time"),
    *("ping", "echo", "hello", "client|setname", "client|id"),
)
"""What the login may do: read and write keys that it names, by scripts too."""

_CONFIG_FOLDER, _AUTH_FOLDER, _DATA = "/etc/redis", "/etc/fraudops/redis-auth", "/data"
_CONFIG_FILE, _ACL_FILE = "redis.conf", "users.acl"
_GRACE_SECONDS = 30
_FOR_DATA = 0.75
"""The rest is for buffers of connections, fragments, and the process itself."""


@dataclass(frozen=True, slots=True)
class RedisSize:
    """What it is sized to."""

    store: StoreSize

    @property
    def maxmemory(self) -> int:
        """Bytes for data."""
        return int(self.store.memory_bytes * _FOR_DATA)


def redis_size(spec: ManagedRedis) -> RedisSize:
    """From the spec, and defaults."""
    return RedisSize(store_size(spec.resources, DEFAULT_CPU, DEFAULT_MEMORY))


def redis_workload(
    detector: FraudDetector,
    spec: ManagedRedis,
    size: RedisSize,
    defaults: OperatorDefaults,
    children: Mapping[ChildKey, Manifested],
) -> Workload:
    """All that it is made of."""
    image = store_image(
        spec.version or "",
        spec.image or "",
        defaults.redis_image,
        DEFAULT_VERSION,
        children.get(("ConfigMap", redis_name(detector))),
    )
    return Workload(
        detector=detector,
        purpose=REDIS,
        name=redis_name(detector),
        image=image,
        port=PORT,
        inputs={"resources": size.store.resources, "placement": placement(detector)},
        config={_CONFIG_FILE: _config(size)},
        pod=_pod(detector, image.name, size, defaults),
    )


def redis(made: Workload, children: Mapping[ChildKey, Manifested]) -> Iterator[Desired]:
    """Its children."""
    template = workload.recorded(made, children.get(("ConfigMap", made.name)))
    yield Desired(_auth(made), component="redis", phase=0, generated=_credentials(made))
    yield Desired(workload.config_map(made, template), component="redis", phase=0)
    yield Desired(workload.client_service(made), component="redis", phase=0)
    yield Desired(workload.headless_service(made), component="redis", phase=0)
    yield Desired(workload.disruption_budget(made), component="redis", phase=0)
    yield Desired(workload.stateful_set(made, template), component="redis", phase=1)


def users() -> str:
    """The ACL: anybody may ask whether it answers, the login what `COMMANDS` lists."""
    allowed = " ".join(f"+{command}" for command in COMMANDS)
    return (
        "user default on nopass resetkeys resetchannels -@all +ping\n"
        f"user {LOGIN} on #{{digest}} ~* resetchannels -@all {allowed}\n"
    )


def _auth(made: Workload) -> Manifested:
    """It goes with the detector: a new password is as good, as there is nothing to come back to."""
    name = redis_auth_name(made.detector)
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": store_metadata(made.detector, REDIS, name),
        "type": "Opaque",
    }


def _credentials(made: Workload) -> dict[str, Value]:
    return {
        "host": made.host,
        "port": str(PORT),
        "username": LOGIN,
        "password": Random(),
        _ACL_FILE: WithDigest("password", users()),
    }


def _config(size: RedisSize) -> str:
    settings = (
        f"port {PORT}",
        "bind * -::*",
        "protected-mode no",  # everybody but PING is kept out by the ACL
        f"aclfile {_AUTH_FOLDER}/{_ACL_FILE}",
        f"dir {_DATA}",
        'save ""',
        "appendonly no",
        f"maxmemory {size.maxmemory}",
        "maxmemory-policy allkeys-lru",
        "lazyfree-lazy-eviction yes",
        "lazyfree-lazy-expire yes",
        "lazyfree-lazy-server-del yes",
        "lazyfree-lazy-user-del yes",
        "tcp-keepalive 60",
        "shutdown-on-sigterm nosave now",
    )
    return "".join(f"{one}\n" for one in settings)


def _pod(
    detector: FraudDetector, image: str, size: RedisSize, defaults: OperatorDefaults
) -> dict[str, Any]:
    ping = ("redis-cli", "-e", "-h", "127.0.0.1", "-p", str(PORT), "ping")
    acl = [{"key": _ACL_FILE, "path": _ACL_FILE}]
    return {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": _GRACE_SECONDS,
        "securityContext": workload.pod_security(),
        "containers": [
            {
                "name": CONTAINER,
                "image": image,
                "imagePullPolicy": defaults.image_pull_policy,
                "command": ["redis-server", f"{_CONFIG_FOLDER}/{_CONFIG_FILE}"],
                "ports": [{"name": "redis", "containerPort": PORT, "protocol": "TCP"}],
                "resources": size.store.resources,
                "startupProbe": workload.run(*ping, period=1, failures=120),
                "readinessProbe": workload.run(*ping, period=5, failures=2),
                "livenessProbe": workload.run(*ping, period=10, failures=6),
                "securityContext": restricted(),
                "volumeMounts": [
                    mount("config", _CONFIG_FOLDER, read_only=True),
                    mount("auth", _AUTH_FOLDER, read_only=True),
                    mount("data", _DATA),
                ],
            }
        ],
        "volumes": [
            {"name": "config", "configMap": {"name": redis_name(detector)}},
            {"name": "auth", "secret": {"secretName": redis_auth_name(detector), "items": acl}},
            {"name": "data", "emptyDir": {"sizeLimit": "64Mi"}},
        ],
        **placement(detector),
    }
