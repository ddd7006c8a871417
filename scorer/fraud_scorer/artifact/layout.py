"""Where things lie under a model store's prefix.

    <version>/manifest.json and its files   written by publishers, and by nobody else
    .blobs/sha256/<digest>                  proven bytes: what scorer pods fetch, by digest
    .proofs/<key>.json, .proofs/<key>.html  what verification found of a version
    .quarantine/<digest>-<version>.json     what is refused until a person releases it

What begins with a dot is ours, and never a version.
"""

from __future__ import annotations

from fraud_scorer.artifact.digest import PREFIX

BLOBS = ".blobs/sha256"
PROOFS = ".proofs"
QUARANTINE = ".quarantine"


def below(prefix: str) -> str:
    """What the paths below a prefix begin with, however many slashes it was given with."""
    bare = prefix.strip("/")
    return f"{bare}/" if bare else ""


def blob(sha256: str) -> str:
    """Where the bytes with that digest (64 hexadecimal digits) lie."""
    return f"{BLOBS}/{sha256.removeprefix(PREFIX)}"


def proof(key: str) -> str:
    """Where the report of a verification lies, for programs."""
    return f"{PROOFS}/{key}.json"


def proof_page(key: str) -> str:
    """Where the report of a verification lies, for people."""
    return f"{PROOFS}/{key}.html"


def quarantine_entry(digest: str, version: str) -> str:
    """Where the entry lies that forbids these bytes under that name."""
    return f"{QUARANTINE}/{digest.removeprefix(PREFIX)}-{version}.json"
