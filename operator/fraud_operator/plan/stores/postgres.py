"""The Postgres of a detector: its pod, its volume, and who may log in.

Nothing that has data is ever deleted and made anew. A volume grows by its claim first; then the
StatefulSet, which cannot be told of it, is deleted without its pod and made anew around both. What
cannot be done (another major version, less storage, another class) is refused, and what runs is
left as it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from fraud_operator.api import quantities
from fraud_operator.api.frauddetector import FraudDetector
from fraud_operator.api.postgres import ManagedPostgres
from fraud_operator.plan.children import POSTGRES
from fraud_operator.plan.generated import Random, Value
from fraud_operator.plan.pod_template import mount, placement, recorded_template, restricted
from fraud_operator.plan.stores import workload
from fraud_operator.plan.stores.names import (
    DATA_VOLUME,
    claim_name,
    kept_metadata,
    postgres_app_name,
    postgres_name,
    postgres_owner_name,
)
from fraud_operator.plan.stores.postgres_config import (
    CONFIG_FILE,
    HBA,
    HBA_FILE,
    postgresql_conf,
)
from fraud_operator.plan.stores.resources import StoreSize, store_size
from fraud_operator.plan.stores.workload import StoreImage, Workload, store_image
from fraud_operator.plan.types import ChildKey, Desired, Manifested, OperatorDefaults

CONTAINER = "postgres"
PORT = 5432
DATABASE = "fraudops"
SUPERUSER = "postgres"
LOGIN = "fraudops_scorer_a"
"""Of the two that take turns, the one that scorers begin with."""

DEFAULT_VERSION = "17"
DEFAULT_CPU, DEFAULT_MEMORY = "250m", "1Gi"
MAJOR_ANNOTATION = "fraudops.io/postgres-major"
CONNECTIONS_ANNOTATION = "fraudops.io/max-connections"
KEPT_CONNECTIONS = 10
"""For superusers, backups and people: no pool is sized to take them."""

_CONFIG_FOLDER, _OWNER_FOLDER = "/etc/fraudops/postgres", "/etc/fraudops/postgres-owner"
_DATA_FOLDER = "/var/lib/fraudops/postgres"
"""Not where images declare a volume: a runtime would put an empty one there."""
_DATA = f"{_DATA_FOLDER}/data"
_GRACE_SECONDS = 120
_GIB = 1 << 30
_LEAST_CONNECTIONS, _MOST_CONNECTIONS = 100, 500


@dataclass(frozen=True, slots=True)
class PostgresSize:
    """What it is sized to, and what it was made with."""

    store: StoreSize
    storage: str
    """As Kubernetes writes it."""
    major: str
    connections: int

    @property
    def storage_bytes(self) -> int:
        """Of the volume."""
        return int(quantities.bytes_of(self.storage))


@dataclass(frozen=True, slots=True)
class Growth:
    """A claim that is to be larger."""

    claim: Manifested
    storage: str


def postgres_size(
    detector: FraudDetector, spec: ManagedPostgres, children: Mapping[ChildKey, Manifested]
) -> PostgresSize:
    """From the spec, what there is, and defaults."""
    store = store_size(spec.resources, DEFAULT_CPU, DEFAULT_MEMORY)
    return PostgresSize(
        store=store,
        storage=quantities.canonical_memory(spec.storage),
        major=major_of(spec.version) or major_of_data(detector, children) or DEFAULT_VERSION,
        connections=spec.max_connections
        or _made_with(children.get(("ConfigMap", postgres_name(detector))))
        or _connections_for(store.memory_bytes),
    )


def major_of(version: str | None) -> str:
    """The part that says what data can be read; empty where there is no version."""
    return (version or "").partition(".")[0]


def major_of_data(detector: FraudDetector, children: Mapping[ChildKey, Manifested]) -> str:
    """The major version that the volume was made with; empty where there is none."""
    claim = children.get(("PersistentVolumeClaim", claim_name(detector))) or {}
    return str((claim.get("metadata", {}).get("annotations") or {}).get(MAJOR_ANNOTATION, ""))


def refused(
    detector: FraudDetector, spec: ManagedPostgres, children: Mapping[ChildKey, Manifested]
) -> str:
    """Why the spec cannot be carried out upon the volume that there is; empty where it can."""
    claim = children.get(("PersistentVolumeClaim", claim_name(detector)))
    if claim is None:
        return ""
    at, name = "spec.postgres.managed", claim["metadata"]["name"]
    elsewhere = "restore a backup into a detector of another name"
    was, wanted = major_of_data(detector, children), major_of(spec.version)
    if was and wanted and was != wanted:
        return (
            f"{at}.version is {spec.version}, and the data on claim {name} is of Postgres {was}:"
            f" set it back to {was}, or {elsewhere} to have it in Postgres {wanted}"
        )
    if quantities.bytes_of(spec.storage) < quantities.bytes_of(_requested(claim)):
        return (
            f"{at}.storage is {spec.storage}, and claim {name} has {_requested(claim)}: a volume"
            f" cannot shrink; set it back, or {elsewhere} to have less"
        )
    class_ = claim["spec"].get("storageClassName", "")
    if spec.storage_class and spec.storage_class != class_:
        return (
            f"{at}.storageClass is {spec.storage_class}, and claim {name} has {class_ or 'none'}:"
            f" set it back, or {elsewhere} to have it in the other class"
        )
    return ""


def growth(
    detector: FraudDetector, spec: ManagedPostgres, children: Mapping[ChildKey, Manifested]
) -> Growth | None:
    """The claim that is to grow, where it is."""
    claim = children.get(("PersistentVolumeClaim", claim_name(detector)))
    if claim is None or claim["metadata"].get("deletionTimestamp"):
        return None
    if quantities.bytes_of(spec.storage) <= quantities.bytes_of(_requested(claim)):
        return None
    return Growth(claim, quantities.canonical_memory(spec.storage))


def postgres_workload(
    detector: FraudDetector,
    spec: ManagedPostgres,
    size: PostgresSize,
    defaults: OperatorDefaults,
    children: Mapping[ChildKey, Manifested],
) -> Workload:
    """All that it is made of."""
    image = store_image(
        spec.version or "",
        spec.image or "",
        defaults.postgres_image,
        size.major,
        children.get(("ConfigMap", postgres_name(detector))),
    )
    retained = spec.retention != "Delete"
    return Workload(
        detector=detector,
        purpose=POSTGRES,
        name=postgres_name(detector),
        image=image,
        port=PORT,
        inputs={
            "resources": size.store.resources,
            "connections": size.connections,
            "placement": placement(detector),
        },
        config={
            CONFIG_FILE: postgresql_conf(
                size.store.memory_bytes, size.storage_bytes, size.connections, _CONFIG_FOLDER
            ),
            HBA_FILE: HBA,
        },
        pod=_pod(detector, image, size, defaults),
        notes={CONNECTIONS_ANNOTATION: str(size.connections)},
        claims=[_claim(detector, spec, size, children)],
        retained=retained,
    )


def postgres(
    made: Workload, children: Mapping[ChildKey, Manifested], *, hold: bool
) -> Iterator[Desired]:
    """Its children. `hold`: the pod stays as it is, or is not made at all."""
    template = workload.recorded(made, children.get(("ConfigMap", made.name)), hold=hold)
    for name, login in ((postgres_owner_name, SUPERUSER), (postgres_app_name, LOGIN)):
        yield Desired(
            _secret(made, name(made.detector)),
            component="postgres",
            phase=0,
            generated=_credentials(made, login),
            kept=True,
        )
    yield Desired(workload.client_service(made), component="postgres", phase=0)
    yield Desired(workload.headless_service(made), component="postgres", phase=0)
    yield Desired(workload.disruption_budget(made), component="postgres", phase=0)
    there = children.get(("StatefulSet", made.name))
    known = recorded_template(children.get(("ConfigMap", made.name))) is not None
    if hold and there is None and not known:
        return  # what it would be made of is what is refused
    yield Desired(workload.config_map(made, template), component="postgres", phase=0)
    yield Desired(
        workload.stateful_set(made, template),
        component="postgres",
        phase=1,
        replace=there is not None and not _has_claims(there, made),
    )


def _secret(made: Workload, name: str) -> Manifested:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": kept_metadata(made.detector, POSTGRES, name, retained=made.retained),
        "type": "Opaque",
    }


def _credentials(made: Workload, login: str) -> dict[str, Value]:
    """With the keys that CloudNativePG writes."""
    return {
        "host": made.host,
        "port": str(PORT),
        "dbname": DATABASE,
        "username": login,
        "password": Random(),
    }


def _claim(
    detector: FraudDetector,
    spec: ManagedPostgres,
    size: PostgresSize,
    children: Mapping[ChildKey, Manifested],
) -> Manifested:
    """Of as much as its claim has: the StatefulSet is told once that has grown."""
    there = children.get(("PersistentVolumeClaim", claim_name(detector)))
    meta = kept_metadata(detector, POSTGRES, DATA_VOLUME, retained=True)
    class_ = spec.storage_class
    if there is not None:
        # What cannot be changed any more is told as it is, lest a template be refused for it.
        class_ = class_ and there["spec"].get("storageClassName")
    claim: dict[str, Any] = {
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": _requested(there) if there else size.storage}},
    }
    if class_:
        claim["storageClassName"] = class_
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {
            "name": DATA_VOLUME,
            "labels": meta["labels"],
            "annotations": {MAJOR_ANNOTATION: major_of_data(detector, children) or size.major},
        },
        "spec": claim,
    }


def _has_claims(stateful_set: Manifested, made: Workload) -> bool:
    """Whether it says of its claims what is to be said, which can never be changed in it."""
    found = stateful_set["spec"].get("volumeClaimTemplates") or []
    return [_essence(one) for one in found] == [_essence(one) for one in made.claims]


def _essence(claim: Manifested) -> tuple[Any, ...]:
    """Without what the API server adds."""
    meta, spec = claim["metadata"], claim["spec"]
    return (
        *(meta.get(name) for name in ("name", "labels", "annotations")),
        spec.get("storageClassName"),
        _requested(claim),
    )


def _requested(claim: Manifested) -> str:
    return str(claim["spec"]["resources"]["requests"]["storage"])


def _made_with(config_map: Manifested | None) -> int:
    annotations = (config_map or {}).get("metadata", {}).get("annotations") or {}
    text = annotations.get(CONNECTIONS_ANNOTATION, "")
    return int(text) if text.isdecimal() else 0


def _connections_for(memory: int) -> int:
    """A hundred for each GiB."""
    return min(_MOST_CONNECTIONS, max(_LEAST_CONNECTIONS, memory // _GIB * 100))


def _pod(
    detector: FraudDetector, image: StoreImage, size: PostgresSize, defaults: OperatorDefaults
) -> dict[str, Any]:
    password = [{"key": "password", "path": "password"}]
    return {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": _GRACE_SECONDS,
        "securityContext": workload.pod_security(),
        "containers": [_container(image.name, size, defaults)],
        "volumes": [
            {"name": "config", "configMap": {"name": postgres_name(detector)}},
            {
                "name": "owner",
                "secret": {"secretName": postgres_owner_name(detector), "items": password},
            },
            {"name": "run", "emptyDir": {"sizeLimit": "16Mi"}},
            {"name": "tmp", "emptyDir": {"sizeLimit": "256Mi"}},
            # A runtime's own is 64 MiB, which parallel queries exceed.
            {"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": _shared(size)}},
        ],
        **placement(detector),
    }


def _shared(size: PostgresSize) -> str:
    return f"{max(64, size.store.memory_bytes // 4 >> 20)}Mi"


def _container(image: str, size: PostgresSize, defaults: OperatorDefaults) -> dict[str, Any]:
    ask = f"pg_isready --quiet --host=127.0.0.1 --port={PORT} --username={SUPERUSER}"
    environment = {
        "PGDATA": _DATA,
        "POSTGRES_USER": SUPERUSER,
        "POSTGRES_DB": DATABASE,
        "POSTGRES_PASSWORD_FILE": f"{_OWNER_FOLDER}/password",
        "POSTGRES_HOST_AUTH_METHOD": "scram-sha-256",
        "POSTGRES_INITDB_ARGS": "--data-checksums --encoding=UTF8 --locale=C.UTF-8"
        " --auth-host=scram-sha-256 --auth-local=trust",
    }
    # Fast: clients are cut off, and nothing is left to be recovered. (The signal that a pod gets
    # would have it wait for every client to go by itself.)
    stop = [
        "pg_ctl",
        "stop",
        f"--pgdata={_DATA}",
        "--mode=fast",
        f"--timeout={_GRACE_SECONDS - 10}",
    ]
    return {
        "name": CONTAINER,
        "image": image,
        "imagePullPolicy": defaults.image_pull_policy,
        "command": ["docker-entrypoint.sh"],
        "args": ["postgres", "-c", f"config_file={_CONFIG_FOLDER}/{CONFIG_FILE}"],
        "env": [{"name": name, "value": value} for name, value in environment.items()],
        "ports": [{"name": "postgres", "containerPort": PORT, "protocol": "TCP"}],
        "resources": size.store.resources,
        # After a crash it reads its log before it takes anybody: it has an hour for that.
        "startupProbe": workload.run(*ask.split(), period=2, failures=1800),
        "readinessProbe": workload.run(*ask.split(), period=5, failures=2),
        # It lives while it says anything, be it that it takes nobody (1); 2: there is no answer.
        "livenessProbe": workload.run(
            "sh", "-c", f"{ask}; test $? -lt 2", period=10, failures=6, timeout=5
        ),
        "lifecycle": {"preStop": {"exec": {"command": stop}}},
        "securityContext": restricted(),
        "volumeMounts": [
            mount(DATA_VOLUME, _DATA_FOLDER),
            mount("config", _CONFIG_FOLDER, read_only=True),
            mount("owner", _OWNER_FOLDER, read_only=True),
            mount("run", "/var/run/postgresql"),
            mount("tmp", "/tmp"),  # noqa: S108 -- the pod's own
            mount("shm", "/dev/shm"),  # noqa: S108 -- the pod's own
        ],
    }
