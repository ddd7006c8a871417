"""The images that run in a test cluster: what they are made of, and building only what has changed.

    python -m tests.cluster build [operator scorer bucket redis postgres]

An image carries a hash of everything that went into it as the label `fraudops.io/inputs`; where the
hash is still the same, nothing is built. Limits on size are part of the recipe: an image over its
limit is not accepted. Redis and Postgres are stand-ins for the official images, built only
where they are named.
"""

from tests.cluster.images.builder import Builder, builder
from tests.cluster.images.recipes import NAMES, STORE_NAMES, build, repository_of, tag_of

__all__ = ["NAMES", "STORE_NAMES", "Builder", "build", "builder", "repository_of", "tag_of"]
