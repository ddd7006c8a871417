"""containerd, with every folder and socket of its own, and the images in it."""

import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from tests.cluster.paths import Instance
from tests.cluster.prerequisites import cni_folder
from tests.cluster.processes import Processes

PAUSE_IMAGE = "localhost/fraudops/node-helper:1"
NAMESPACE = "k8s.io"
READY_SECONDS = 60.0

_CONFIG = """
version = 2
root = "{folder}/root"
state = "{folder}/run"
oom_score = 0
disabled_plugins = ["io.containerd.internal.v1.opt", "io.containerd.snapshotter.v1.aufs",
  "io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.devmapper",
  "io.containerd.snapshotter.v1.zfs", "io.containerd.tracing.processor.v1.otlp"]
[grpc]
address = "{folder}/containerd.sock"
[ttrpc]
address = "{folder}/containerd.sock.ttrpc"
[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "{pause}"
# Root without CAP_SYS_RESOURCE, as in many containers, may not lower a score.
restrict_oom_score_adj = true
netns_mounts_under_state_dir = true
stream_server_address = "127.0.0.1"
[plugins."io.containerd.grpc.v1.cri".containerd]
snapshotter = "{snapshotter}"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
SystemdCgroup = false
Root = "{folder}/runc"
[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "{cni}"
conf_dir = "{folder}/cni"
"""


class Runtime:
    """The containerd of one instance."""

    def __init__(self, instance: Instance) -> None:
        self.folder = instance.folder / "containerd"
        self.socket = self.folder / "containerd.sock"
        self.cni_config = self.folder / "cni"
        self._processes = Processes(instance.folder)

    def start(self) -> None:
        """Start containerd and wait until it answers."""
        self.folder.mkdir(parents=True, exist_ok=True)
        config = self.folder / "config.toml"
        config.write_text(
            _CONFIG.format(
                folder=self.folder,
                pause=PAUSE_IMAGE,
                cni=cni_folder(),
                snapshotter=self._snapshotter(),
            )
        )
        containerd = shutil.which("containerd") or "containerd"
        self._processes.start("containerd", [containerd, "--config", config])
        self._processes.wait_ready("containerd", self._answers, READY_SECONDS)

    def import_archive(self, archive: Path, labels: Mapping[str, str], tag: str) -> None:
        """Import a docker-archive and label its image."""
        self.ctr("images", "import", str(archive))
        if labels:
            self.ctr("images", "label", tag, *(f"{key}={value}" for key, value in labels.items()))

    def label(self, tag: str, key: str) -> str:
        """A label of an image; "" where there is no such image or label."""
        for line in self.ctr("images", "list", f"name=={tag}").splitlines()[1:]:
            for pair in line.split()[-1].split(","):
                name, _, value = pair.partition("=")
                if name == key:
                    return value
        return ""

    def ctr(self, *arguments: str) -> str:
        """Run containerd's own client. Raises RuntimeError with what it said."""
        command = ["ctr", "--address", str(self.socket), "--namespace", NAMESPACE, *arguments]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        if result.returncode != 0:
            raise RuntimeError(f"ctr {' '.join(arguments)}: {result.stderr.strip()}")
        return result.stdout

    def _answers(self) -> bool:
        if not self.socket.exists():
            return False
        try:
            self.ctr("version")
        except RuntimeError:
            return False
        return True

    def _snapshotter(self) -> str:
        """Overlays do not stack: on one (a container's own root) layers are copied instead."""
        command = ["findmnt", "--json", "--target", str(self.folder), "--output", "FSTYPE"]
        result = subprocess.run(command, capture_output=True, text=True, check=True, env=os.environ)
        kind = json.loads(result.stdout)["filesystems"][0]["fstype"]
        return "native" if kind == "overlay" else "overlayfs"
