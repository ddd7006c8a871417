"""A node with real pods: containerd, kubelet, kube-proxy, and what a usual cluster has on top.

Needs root. There is one node a machine (its bridge and kube-proxy's tables have fixed names). Pods
reach each other, Services and the API server; nothing outside. No NetworkPolicy is enforced, no
host ports, no load balancers.
"""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.cluster import addons, build, cgroups, network, node_cleanup
from tests.cluster.control_plane import LOOPBACK, ApiEndpoint, ControlPlane, free_ports
from tests.cluster.paths import Instance
from tests.cluster.progress import step
from tests.cluster.runtime import PAUSE_IMAGE, Runtime
from tests.cluster.scratch import write_image
from tests.cluster.tools import tool

NODE_NAME = "fraudops-node"
DNS_ADDRESS = "10.96.0.10"
READY_SECONDS = 120.0


class Node:
    """The node of `instance`, whose control plane it starts along with itself."""

    api_endpoint = ApiEndpoint(network.HOST_ADDRESS, 6443)

    def __init__(self, instance: Instance) -> None:
        self._instance = instance
        self._folder = instance.folder
        self._runtime = Runtime(instance)

    def build(self) -> None:
        """Have the binaries made that the node needs beside the cluster's own."""
        build.node_helper()
        tool("local-path-provisioner")

    def start(self, plane: ControlPlane, kube: Path) -> None:
        """Bring up everything, and wait until the node is Ready and names resolve."""
        if other := network.owner():
            raise RuntimeError(
                f"another node cluster runs on this machine, in {other}. To remove it:\n"
                f"  FRAUDOPS_STATE={Path(other).parent} python -m tests.cluster down"
            )
        node_cleanup.remember(self._instance)
        with step("network"):
            network.tear_down(self._folder)
            network.set_up(self._folder, self._folder / "ipam", self._runtime.cni_config)
            cgroups.make(self._instance)
        plane.prepare()
        self._write_configuration(plane)
        with ThreadPoolExecutor() as pool:
            images = pool.submit(self._containerd_and_images, kube)
            with step("etcd and API server"):
                plane.start_api()
            applied = pool.submit(addons.apply, self._instance, kube, self._image(kube))
            with step("controller manager and scheduler"):
                plane.start_controllers()
            images.result()
            with step("kubelet and kube-proxy"):
                self._start_agents(plane, kube)
                applied.result()
        with step("node Ready, DNS answering"):
            addons.wait(self._instance, kube)

    def _image(self, kube: Path) -> str:
        return f"localhost/fraudops/kube:{self._instance.release.version}"

    def _containerd_and_images(self, kube: Path) -> None:
        with step("containerd, and the cluster's own images"):
            self._runtime.start()
            archive = self._folder / "image.tar"
            for tag, binary, entrypoint in (
                (PAUSE_IMAGE, build.node_helper(), "/node-helper"),
                (self._image(kube), kube, "/kube"),
            ):
                write_image(archive, tag, binary, entrypoint)
                self._runtime.import_archive(archive, {}, tag)
            archive.unlink()

    def _start_agents(self, plane: ControlPlane, kube: Path) -> None:
        configs = self._folder / "kubeconfigs"
        plane.processes.start(
            "kubelet",
            [
                kube,
                "kubelet",
                f"--config={self._folder / 'kubelet.yaml'}",
                f"--kubeconfig={configs / f'system-node-{NODE_NAME}.yaml'}",
                f"--hostname-override={NODE_NAME}",
                f"--node-ip={network.HOST_ADDRESS}",
                f"--root-dir={self._folder / 'kubelet'}",
                f"--cert-dir={self._folder / 'kubelet' / 'pki'}",
            ],
        )
        plane.processes.start(
            "kube-proxy", [kube, "kube-proxy", f"--config={self._folder / 'kube-proxy.yaml'}"]
        )
        plane.processes.start(
            "local-path-provisioner",
            [
                tool("local-path-provisioner"),
                "start",
                f"--config={self._folder / 'local-path.json'}",
                f"--kubeconfig={configs / 'system-local-path-provisioner.yaml'}",
                "--namespace=kube-system",
                "--provisioner-name=rancher.io/local-path",
                f"--helper-image={PAUSE_IMAGE}",
                f"--helper-pod-file={self._folder / 'local-path-pod.yaml'}",
                "--service-account-name=default",
                "--configmap-name=unused",
            ],
        )

    def _write_configuration(self, plane: ControlPlane) -> None:
        host = network.HOST_ADDRESS
        node_config = plane.client_config(f"system:node:{NODE_NAME}", ["system:nodes"])
        del node_config
        proxy_config = plane.client_config("system:kube-proxy")
        plane.client_config("system:local-path-provisioner", ["system:masters"])
        serving = plane.authority.issue("kubelet", NODE_NAME, hosts=[host, NODE_NAME])
        health, proxy_health, proxy_metrics = free_ports(3)
        resolver = self._folder / "resolv.conf"
        resolver.write_text("# the cluster asks nobody outside\n")
        self._write(
            "kubelet.yaml",
            {
                "apiVersion": "kubelet.config.k8s.io/v1beta1",
                "kind": "KubeletConfiguration",
                "address": host,
                "healthzBindAddress": LOOPBACK,
                "healthzPort": health,
                "containerRuntimeEndpoint": f"unix://{self._runtime.socket}",
                "cgroupDriver": "cgroupfs",
                "cgroupRoot": cgroups.root(self._instance),
                "failCgroupV1": False,
                "failSwapOn": False,
                "enforceNodeAllocatable": [],
                "oomScoreAdj": 0,
                "makeIPTablesUtilChains": False,
                "authentication": {
                    "anonymous": {"enabled": False},
                    "webhook": {"enabled": True},
                    "x509": {"clientCAFile": str(plane.authority.pair.cert)},
                },
                "authorization": {"mode": "Webhook"},
                "tlsCertFile": str(serving.cert),
                "tlsPrivateKeyFile": str(serving.key),
                "clusterDomain": "cluster.local",
                "clusterDNS": [DNS_ADDRESS],
                "resolvConf": str(resolver),
                "podLogsDir": str(self._folder / "pod-logs"),
                "volumePluginDir": str(self._folder / "volume-plugins"),
                # A developer's disk may be nearly full, and images cannot be fetched again.
                "evictionHard": {
                    "memory.available": "1%",
                    "nodefs.available": "1%",
                    "imagefs.available": "1%",
                },
                "imageGCHighThresholdPercent": 100,
                "imageGCLowThresholdPercent": 99,
                "maxPods": 250,
                "kubeAPIQPS": 200,
                "kubeAPIBurst": 400,
                "registryPullQPS": 0,
                "serializeImagePulls": False,
                "shutdownGracePeriod": "0s",
            },
        )
        self._write(
            "kube-proxy.yaml",
            {
                "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
                "kind": "KubeProxyConfiguration",
                "mode": "nftables",
                "clientConnection": {"kubeconfig": str(proxy_config)},
                "clusterCIDR": network.POD_CIDR,
                "hostnameOverride": NODE_NAME,
                "healthzBindAddress": f"{LOOPBACK}:{proxy_health}",
                "metricsBindAddress": f"{LOOPBACK}:{proxy_metrics}",
                "oomScoreAdj": 0,
                # These sysctls are the machine's, not ours to change.
                "conntrack": {
                    "maxPerCore": 0,
                    "min": 0,
                    "tcpEstablishedTimeout": "0s",
                    "tcpCloseWaitTimeout": "0s",
                },
            },
        )
        volumes = str(self._folder / "volumes")
        everywhere = {"node": "DEFAULT_PATH_FOR_NON_LISTED_NODES", "paths": [volumes]}
        command = "/node-helper"
        self._write(
            "local-path.json",
            {"nodePathMap": [everywhere], "setupCommand": command, "teardownCommand": command},
        )
        helper = {"name": "helper-pod", "image": PAUSE_IMAGE, "imagePullPolicy": "Never"}
        self._write(
            "local-path-pod.yaml",
            {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {"name": "helper-pod"},
                "spec": {"containers": [helper]},
            },
        )

    def _write(self, name: str, content: object) -> None:
        (self._folder / name).write_text(json.dumps(content, indent=1))
