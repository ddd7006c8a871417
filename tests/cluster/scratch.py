"""Images that are one static binary and nothing else, written without a builder.

The result is a docker-archive: an uncompressed layer, its configuration, and a manifest.
"""

import hashlib
import io
import json
import platform
import tarfile
from pathlib import Path

ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


def write_image(archive: Path, tag: str, binary: Path, entrypoint: str) -> None:
    """Write the image `tag`, which runs `binary` as `entrypoint` ("/name"), to `archive`."""
    layer = archive.with_suffix(".layer")
    with tarfile.open(layer, "w") as tar:
        entry = tarfile.TarInfo(entrypoint.lstrip("/"))
        entry.size = binary.stat().st_size
        entry.mode = 0o755
        with binary.open("rb") as content:
            tar.addfile(entry, content)
        # Programs in it expect to write temporary files.
        temporary = tarfile.TarInfo("tmp")
        temporary.type, temporary.mode = tarfile.DIRTYPE, 0o1777
        tar.addfile(temporary)
    with layer.open("rb") as content:
        digest = hashlib.file_digest(content, "sha256").hexdigest()
    config = json.dumps(
        {
            "architecture": ARCHITECTURES.get(platform.machine(), platform.machine()),
            "os": "linux",
            "config": {"Entrypoint": [entrypoint], "Env": ["PATH=/"]},
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}"]},
        }
    ).encode()
    name = f"{hashlib.sha256(config).hexdigest()}.json"
    manifest = [{"Config": name, "RepoTags": [tag], "Layers": [f"{digest}.tar"]}]
    with tarfile.open(archive, "w") as tar:
        tar.add(layer, f"{digest}.tar")
        for path, content_bytes in (
            (name, config),
            ("manifest.json", json.dumps(manifest).encode()),
        ):
            info = tarfile.TarInfo(path)
            info.size = len(content_bytes)
            tar.addfile(info, io.BytesIO(content_bytes))
    layer.unlink()
