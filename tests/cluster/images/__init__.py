"""The images that run in a test cluster: what they are made of, and building only what has changed.

    python -m tests.cluster build [operator scorer bucket]

An image carries a hash of everything that went into it as the label `fraudops.io/inputs`; where the
hash is still the same, nothing is built. Limits on size are part of the recipe: an image over its
limit is not accepted.
"""

from tests.cluster.images.builder import Builder, builder
from tests.cluster.images.recipes import NAMES, build, tag_of

__all__ = ["NAMES", "Builder", "build", "builder", "tag_of"]
