"""The control plane of a local cluster: etcd, API server, controller manager, scheduler.

Runs as any user, on loopback or on the address of the node's bridge. Nothing here needs root.
"""

import json
import socket
import ssl
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from tests.cluster.paths import Instance
from tests.cluster.pki import Authority, Pair, signing_key, write_kubeconfig
from tests.cluster.processes import Processes

SERVICE_CIDR = "10.96.0.0/16"
FIRST_SERVICE_IP = "10.96.0.1"
LOOPBACK = "127.0.0.1"
# Far above what an operator under test asks for, so that it is never a controller that is slow.
CLIENT_LIMITS = ["--kube-api-qps=500", "--kube-api-burst=1000"]
READY_SECONDS = 90.0

_READS = ["get", "list", "watch"]
_SYSTEM_USERS = [
    "system:apiserver",
    "system:kube-controller-manager",
    "system:kube-scheduler",
    "system:kube-proxy",
]
_SYSTEM_GROUPS = ["system:nodes", "system:serviceaccounts:kube-system"]
_REVIEWS = (
    {
        "group": "authentication.k8s.io",
        "resources": ["tokenreviews"],
    },
    {"group": "authorization.k8s.io", "resources": ["subjectaccessreviews"]},
)
_CHATTER = [
    {"group": "coordination.k8s.io", "resources": ["leases"]},
    {"group": "", "resources": ["events", "nodes/status"]},
    {"group": "events.k8s.io", "resources": ["events"]},
    *_REVIEWS,
]
# Who wrote and read what, of everybody but the cluster's own parts; of these only real writes.
AUDIT_POLICY = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [
        {"level": "None", "users": _SYSTEM_USERS, "verbs": _READS},
        {"level": "None", "userGroups": _SYSTEM_GROUPS, "verbs": _READS},
        {"level": "None", "users": _SYSTEM_USERS, "resources": _CHATTER},
        {"level": "None", "userGroups": _SYSTEM_GROUPS, "resources": _CHATTER},
        {"level": "None", "nonResourceURLs": ["/healthz*", "/livez*", "/readyz*", "/metrics*"]},
        {"level": "Metadata"},
    ],
}


@dataclass(frozen=True)
class ApiEndpoint:
    """Where the API server listens."""

    address: str
    port: int

    @property
    def url(self) -> str:
        return f"https://{self.address}:{self.port}"


class ControlPlane:
    """Starts the control plane of `instance` with the binary `kube`."""

    def __init__(self, instance: Instance, kube: Path, endpoint: ApiEndpoint) -> None:
        self._folder = instance.folder
        self._instance = instance
        self._kube = kube
        self.endpoint = endpoint
        self.processes = Processes(instance.folder)
        self._pki = instance.folder / "pki"
        self.authority = Authority(self._pki, "ca")

    def prepare(self) -> None:
        """Write every key, certificate, kubeconfig and policy."""
        api = self.endpoint.address
        dns = "kubernetes.default.svc"
        hosts = [LOOPBACK, api, FIRST_SERVICE_IP, "localhost", "kubernetes", "kubernetes.default"]
        hosts = list(dict.fromkeys([*hosts, dns, f"{dns}.cluster.local"]))
        self.authority.issue("apiserver", "kube-apiserver", hosts=hosts)
        self.authority.issue("apiserver-kubelet-client", "kube-apiserver", ["system:masters"])
        self.authority.issue("etcd", "etcd", hosts=[LOOPBACK])
        self.authority.issue("apiserver-etcd-client", "kube-apiserver")
        front_proxy = Authority(self._pki, "front-proxy-ca")
        front_proxy.issue("front-proxy-client", "front-proxy-client")
        signing_key(self._pki / "service-account.key")
        self.client_config("admin", ["system:masters"], path=self._instance.kubeconfig)
        self.client_config("system:kube-controller-manager")
        self.client_config("system:kube-scheduler")
        self._write("audit-policy.yaml", AUDIT_POLICY)

    def client_config(
        self, user: str, groups: list[str] | None = None, path: Path | None = None
    ) -> Path:
        """A kubeconfig whose certificate says `user` and `groups`."""
        name = user.replace(":", "-").replace("/", "-")
        pair = self.authority.issue(f"client-{name}", user, groups or [])
        path = path or self._folder / "kubeconfigs" / f"{name}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        authority = self.authority.pair.cert
        return write_kubeconfig(path, self._instance.context, self.endpoint.url, authority, pair)

    def start_api(self) -> None:
        """Start etcd and the API server, and wait until it answers."""
        client, peer = free_ports(2)
        self._start_etcd(client, peer)
        self._start_apiserver(client)
        admin = Pair(self._pki / "client-admin.crt", self._pki / "client-admin.key")
        url = f"{self.endpoint.url}/readyz"
        self.processes.wait_ready(
            "kube-apiserver",
            lambda: answers(url, self.authority.pair.cert, admin),
            READY_SECONDS,
        )

    def start_controllers(self) -> None:
        """Start controller manager and scheduler, and wait until both are healthy."""
        manager, scheduler = free_ports(2)
        self._start_controller_manager(manager)
        config = self._folder / "kubeconfigs" / "system-kube-scheduler.yaml"
        self.processes.start(
            "kube-scheduler",
            [
                self._kube,
                "kube-scheduler",
                f"--kubeconfig={config}",
                f"--authentication-kubeconfig={config}",
                f"--authorization-kubeconfig={config}",
                "--leader-elect=false",
                f"--bind-address={LOOPBACK}",
                f"--secure-port={scheduler}",
                *CLIENT_LIMITS,
            ],
        )
        for name, port in ("kube-controller-manager", manager), ("kube-scheduler", scheduler):
            url = f"https://{LOOPBACK}:{port}/healthz"
            self.processes.wait_ready(name, lambda url=url: answers(url), READY_SECONDS)  # type: ignore[misc]

    def _start_etcd(self, client: int, peer: int) -> None:
        self.processes.start(
            "etcd",
            [
                self._kube,
                "etcd",
                f"--data-dir={self._folder / 'etcd'}",
                "--name=etcd",
                f"--listen-client-urls=https://{LOOPBACK}:{client}",
                f"--advertise-client-urls=https://{LOOPBACK}:{client}",
                f"--listen-peer-urls=https://{LOOPBACK}:{peer}",
                f"--initial-advertise-peer-urls=https://{LOOPBACK}:{peer}",
                f"--initial-cluster=etcd=https://{LOOPBACK}:{peer}",
                *self._tls("etcd", "--cert-file", "--key-file"),
                *self._tls("etcd", "--peer-cert-file", "--peer-key-file"),
                f"--trusted-ca-file={self.authority.pair.cert}",
                f"--peer-trusted-ca-file={self.authority.pair.cert}",
                "--client-cert-auth",
                "--peer-client-cert-auth",
                # A cluster that dies is made anew, never recovered: nothing has to reach the disk.
                "--unsafe-no-fsync",
                "--quota-backend-bytes=4294967296",
                "--log-level=warn",
            ],
        )

    def _start_apiserver(self, etcd_port: int) -> None:
        service_account = self._pki / "service-account"
        # The reconciler announces the API server to pods; on loopback there are none to hear it.
        reconciler = "none" if self.endpoint.address == LOOPBACK else "lease"
        self.processes.start(
            "kube-apiserver",
            [
                self._kube,
                "kube-apiserver",
                f"--bind-address={self.endpoint.address}",
                f"--advertise-address={self.endpoint.address}",
                f"--secure-port={self.endpoint.port}",
                f"--endpoint-reconciler-type={reconciler}",
                f"--etcd-servers=https://{LOOPBACK}:{etcd_port}",
                f"--etcd-cafile={self.authority.pair.cert}",
                *self._tls("apiserver-etcd-client", "--etcd-certfile", "--etcd-keyfile"),
                f"--client-ca-file={self.authority.pair.cert}",
                *self._tls("apiserver", "--tls-cert-file", "--tls-private-key-file"),
                *self._tls(
                    "apiserver-kubelet-client",
                    "--kubelet-client-certificate",
                    "--kubelet-client-key",
                ),
                f"--kubelet-certificate-authority={self.authority.pair.cert}",
                "--kubelet-preferred-address-types=InternalIP",
                "--authorization-mode=Node,RBAC",
                # The second is on in many production clusters: who sets an ownerReference needs the
                # right to delete the object, and where it blocks, to the owner's finalizers.
                "--enable-admission-plugins=NodeRestriction,OwnerReferencesPermissionEnforcement",
                "--allow-privileged",
                f"--service-cluster-ip-range={SERVICE_CIDR}",
                "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
                f"--service-account-key-file={service_account.with_suffix('.pub')}",
                f"--service-account-signing-key-file={service_account.with_suffix('.key')}",
                f"--requestheader-client-ca-file={self._pki / 'front-proxy-ca.crt'}",
                "--requestheader-allowed-names=front-proxy-client",
                "--requestheader-extra-headers-prefix=X-Remote-Extra-",
                "--requestheader-group-headers=X-Remote-Group",
                "--requestheader-username-headers=X-Remote-User",
                *self._tls(
                    "front-proxy-client", "--proxy-client-cert-file", "--proxy-client-key-file"
                ),
                "--enable-aggregator-routing",
                f"--audit-policy-file={self._folder / 'audit-policy.yaml'}",
                f"--audit-log-path={self._instance.audit_log}",
                # One file for the life of a cluster: tests remember a place in it.
                "--audit-log-maxsize=2000",
                "--max-requests-inflight=2000",
                "--max-mutating-requests-inflight=1000",
                "--profiling=false",
            ],
        )

    def _start_controller_manager(self, port: int) -> None:
        config = self._folder / "kubeconfigs" / "system-kube-controller-manager.yaml"
        self.processes.start(
            "kube-controller-manager",
            [
                self._kube,
                "kube-controller-manager",
                f"--kubeconfig={config}",
                f"--authentication-kubeconfig={config}",
                f"--authorization-kubeconfig={config}",
                f"--bind-address={LOOPBACK}",
                f"--secure-port={port}",
                "--leader-elect=false",
                "--use-service-account-credentials",
                f"--root-ca-file={self.authority.pair.cert}",
                f"--service-account-private-key-file={self._pki / 'service-account.key'}",
                f"--cluster-signing-cert-file={self.authority.pair.cert}",
                f"--cluster-signing-key-file={self.authority.pair.key}",
                f"--service-cluster-ip-range={SERVICE_CIDR}",
                *CLIENT_LIMITS,
            ],
        )

    def _tls(self, name: str, cert: str, key: str) -> list[str]:
        return [f"{cert}={self._pki / f'{name}.crt'}", f"{key}={self._pki / f'{name}.key'}"]

    def _write(self, name: str, content: object) -> None:
        (self._folder / name).write_text(json.dumps(content, indent=1))


def free_ports(count: int) -> list[int]:
    """Ports of the loopback address that nobody listened on just now."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind((LOOPBACK, 0))
        return [int(each.getsockname()[1]) for each in sockets]
    finally:
        for each in sockets:
            each.close()


def answers(url: str, authority: Path | None = None, client: Pair | None = None) -> bool:
    """Whether an HTTPS address answers 200. Without an authority the server is not checked."""
    context = ssl.create_default_context(cafile=str(authority) if authority else None)
    if authority is None:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if client is not None:
        context.load_cert_chain(client.cert, client.key)
    handler = urllib.request.HTTPSHandler(context=context)
    # An empty ProxyHandler: the machine's proxy has no part in this.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), handler)
    try:
        with opener.open(url, timeout=5) as response:
            return bool(response.status == 200)
    except OSError:
        return False
