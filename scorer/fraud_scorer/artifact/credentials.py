"""Who asks a model store: keys from a Secret, a web identity, or the process's own surroundings."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from fraud_scorer.artifact.store import CredentialsMissing

ACCESS_KEY_NAMES = ("accessKeyID", "AWS_ACCESS_KEY_ID")
SECRET_KEY_NAMES = ("secretAccessKey", "AWS_SECRET_ACCESS_KEY")
SESSION_TOKEN_NAMES = ("sessionToken", "AWS_SESSION_TOKEN")
_SENDABLE = r"[!-~]+"


@dataclass(frozen=True, slots=True)
class Keys:
    """An access key and its secret, which no repr shows."""

    access_key_id: str
    secret_access_key: str = field(repr=False)
    session_token: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class WebIdentity:
    """A role to be assumed with a token from the cluster's issuer.

    `token` is called whenever new keys are due. `sts_endpoint` is empty for AWS itself.
    """

    role_arn: str
    token: Callable[[], str] = field(repr=False)
    sts_endpoint: str = ""


@dataclass(frozen=True, slots=True)
class AmbientIdentity:
    """Whatever the AWS SDK finds around this process: environment, profile, its web identity."""


Credentials = Keys | WebIdentity | AmbientIdentity


def keys_from_mapping(data: Mapping[str, str], *, where: str) -> Keys:
    """The keys in a Secret's data (decoded). Raises CredentialsMissing, naming `where`."""

    def one_of(names: tuple[str, ...]) -> str:
        for name in names:
            if value := data.get(name, "").strip():
                # It goes into a header, and an SDK that cannot send one repeats it in its error.
                if not re.fullmatch(_SENDABLE, value):
                    raise CredentialsMissing(
                        f"{where}: {name} has a space, a line break or a character beyond"
                        " ASCII in it, which no key of a store has: write the key alone"
                    )
                return value
        return ""

    for names in (ACCESS_KEY_NAMES, SECRET_KEY_NAMES):
        if not one_of(names):
            raise CredentialsMissing(
                f"{where} has no key {names[0]} (or {names[1]}) with text in it: add it"
            )
    return Keys(one_of(ACCESS_KEY_NAMES), one_of(SECRET_KEY_NAMES), one_of(SESSION_TOKEN_NAMES))


def keys_from_directory(folder: Path) -> Keys:
    """The keys in a mounted Secret, one file each. Raises CredentialsMissing."""
    data = {}
    for name in (*ACCESS_KEY_NAMES, *SECRET_KEY_NAMES, *SESSION_TOKEN_NAMES):
        try:
            data[name] = (folder / name).read_text(encoding="utf-8")
        except FileNotFoundError:
            continue
        except (OSError, UnicodeDecodeError) as error:
            raise CredentialsMissing(f"cannot read {folder / name}: {error}") from None
    return keys_from_mapping(data, where=str(folder))
