"""The base image with Python 3.13 that the Dockerfiles take as BASE_IMAGE.

It is python:3.13-slim where a registry answers, otherwise Debian trixie made here by debootstrap,
which takes about a minute. Either way the machine's CA bundle is put on top, so that pip inside a
build trusts what the machine trusts. Made once and kept; it is made anew when the bundle or this
recipe changes, not when Debian publishes updates (remove the cache folder for that).
"""

import hashlib
import os
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

from tests.cluster.build import BuildError
from tests.cluster.images.builder import WITHOUT_REGISTRY, Builder, require_packages
from tests.cluster.progress import step

TAG = "localhost/fraudops/python:3.13"
PUBLIC_BASE = "python:3.13-slim"
DEBIAN = "trixie"
PACKAGES = "python3,python3-venv,ca-certificates"
CA_BUNDLE = "etc/ssl/certs/ca-certificates.crt"
DOCKERFILE = Path(__file__).with_name("Dockerfile.base")

# Nothing in a container reads these. dpkg is told as well, for what a build stage installs later.
UNREAD = (
    "usr/share/doc",
    "usr/share/info",
    "usr/share/lintian",
    "usr/share/locale",
    "usr/share/man",
)
# Of the machine or of the moment, not of the image.
TRANSIENT = ("dev", "proc", "run", "sys", "tmp", "var/cache", "var/lib/apt/lists", "var/log")


def ensure(builder: Builder) -> str:
    """The tag of the base image, which is made first where it is missing."""
    key = _key()
    if builder.inputs(TAG) != key:
        public = builder.pull(PUBLIC_BASE)
        source = PUBLIC_BASE if public else f"Debian {DEBIAN} by debootstrap"
        with step(f"base image from {source}"), tempfile.TemporaryDirectory() as folder:
            context = Path(folder)
            overlay = context / "overlay.tar"
            if public:
                _bundle_alone(overlay)
            else:
                _debian(context / "root", overlay)
                _remove(context / "root")
            root = PUBLIC_BASE if public else "scratch"
            builder.build(DOCKERFILE, context, TAG, {"ROOT": root}, key)
    return TAG


def _key() -> str:
    recipe = (PUBLIC_BASE, DEBIAN, PACKAGES, UNREAD, TRANSIENT)
    parts = [DOCKERFILE.read_bytes(), repr(recipe).encode()]
    if bundle := _machine_bundle():
        parts.append(bundle.read_bytes())
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def _machine_bundle() -> Path | None:
    """The CA certificates that this machine trusts, as one PEM file."""
    candidates = (os.environ.get("SSL_CERT_FILE", ""), f"/{CA_BUNDLE}")
    return next((Path(path) for path in candidates if path and Path(path).is_file()), None)


def _bundle_alone(overlay: Path) -> None:
    with tarfile.open(overlay, "w") as archive:
        if bundle := _machine_bundle():
            archive.add(bundle.resolve(), CA_BUNDLE)


def _debian(root: Path, overlay: Path) -> None:
    if os.geteuid() != 0:
        raise BuildError(
            f"No registry has {PUBLIC_BASE} for this machine, and debootstrap needs root: run the "
            "command as root."
        )
    require_packages(WITHOUT_REGISTRY, "A base image without a registry")
    # In a mount namespace of its own: what debootstrap mounts is gone however it ends.
    bootstrap = ["unshare", "--mount", "debootstrap", "--variant=minbase", f"--include={PACKAGES}"]
    result = subprocess.run(
        [*bootstrap, DEBIAN, str(root)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if result.returncode != 0:
        tail = "\n".join(result.stdout.splitlines()[-20:])
        raise BuildError(f"debootstrap ended with {result.returncode}:\n{tail}")
    exclusions = "".join(f"path-exclude=/{folder}/*\n" for folder in UNREAD)
    (root / "etc/dpkg/dpkg.cfg.d/unread").write_text(exclusions)
    if bundle := _machine_bundle():
        shutil.copyfile(bundle, root / CA_BUNDLE)
    left_out = [f"./{folder}/*" for folder in (*UNREAD, *TRANSIENT)]
    left_out += ["./etc/hostname", "./etc/resolv.conf"]
    excludes = [f"--exclude={pattern}" for pattern in left_out]
    subprocess.run(
        ["tar", "--numeric-owner", *excludes, "-C", str(root), "-cf", str(overlay), "."], check=True
    )


def _remove(root: Path) -> None:
    subprocess.run(["rm", "-rf", "--one-file-system", str(root)], check=True)
