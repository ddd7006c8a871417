"""Bringing images of this machine's builder into the containerd of a local cluster."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from tests.cluster.api import ClusterError
from tests.cluster.build import BuildError
from tests.cluster.images.builder import builder
from tests.cluster.paths import Instance
from tests.cluster.progress import say, step
from tests.cluster.runtime import Runtime

#: The image's own identity, for containerd knows archives by a digest that it computes anew.
ID_LABEL = "fraudops.io/image-id"
#: One is exported while the other is imported.
AT_ONCE = 2


def load_images(instance: Instance, images: Sequence[str]) -> None:
    """Load each image that is not there already with the same ID. Raises ClusterError."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for loaded in [pool.submit(_load, instance, tag) for tag in dict.fromkeys(images)]:
            loaded.result()


def _load(instance: Instance, tag: str) -> None:
    runtime = Runtime(instance)
    try:
        identity = builder().image_id(tag)
        if not identity:
            raise ClusterError(f"there is no image {tag}: python -m tests.cluster build")
        if runtime.label(tag, ID_LABEL) == identity:
            say(f"   {tag} is in the cluster already")
            return
        archive = instance.folder / f"load-{identity[:12]}.tar"
        with step(f"loading {tag}"):
            try:
                builder().export(tag, archive)
                runtime.import_archive(archive, {ID_LABEL: identity}, tag)
            finally:
                archive.unlink(missing_ok=True)
    except (BuildError, RuntimeError) as error:
        raise ClusterError(f"{tag} could not be loaded: {error}") from error
