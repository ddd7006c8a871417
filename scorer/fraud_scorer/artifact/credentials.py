"""Who asks a model store: keys from a Secret, a web identity, or the process's own surroundings.

A Secret is mounted as a folder, one file a key:

    accessKeyID, secretAccessKey, sessionToken    for S3, or spelled AWS_ACCESS_KEY_ID and so on
    key.json                                      for GCS: the key of a Google service account
    token                                         for a volume's store server
    ca.crt                                        beside any of them: the authorities to be trusted
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from fraud_scorer.artifact.plan import CA_FILE, TOKEN_FILE, StoreLocation
from fraud_scorer.artifact.store import CredentialsMissing

ACCESS_KEY_NAMES = ("accessKeyID", "AWS_ACCESS_KEY_ID")
SECRET_KEY_NAMES = ("secretAccessKey", "AWS_SECRET_ACCESS_KEY")
SESSION_TOKEN_NAMES = ("sessionToken", "AWS_SESSION_TOKEN")
KEY_FILE = "key.json"
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
class GoogleKey:
    """The key of a Google service account, as the JSON that Google gives out."""

    text: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class GoogleWebIdentity:
    """A Google service account to be acted as, with a token from the cluster's issuer.

    `token` is called whenever a new one is due. `provider` is who Google knows the cluster's issuer
    as: the audience of the exchange. The endpoints are empty for Google's own.
    """

    service_account: str
    provider: str
    token: Callable[[], str] = field(repr=False)
    sts_endpoint: str = ""
    iam_endpoint: str = ""


@dataclass(frozen=True, slots=True)
class Token:
    """What a volume's store server lets in."""

    text: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class AmbientIdentity:
    """Whatever the cloud's SDK finds around this process: environment, profile, its identity."""


S3Credentials = Keys | WebIdentity | AmbientIdentity
GCSCredentials = GoogleKey | GoogleWebIdentity | AmbientIdentity
Credentials = Keys | WebIdentity | GoogleKey | GoogleWebIdentity | Token | AmbientIdentity


def credentials_from_directory(folder: Path, location: StoreLocation) -> Credentials:
    """Who asks at `location`, by what is mounted in a folder. Raises CredentialsMissing.

    Where there is no such folder, or only authorities are in it, that is whoever the process is to
    its cloud.
    """
    if location.volume is not None:
        return Token(_text(folder / TOKEN_FILE).strip())
    if not folder.is_dir() or _files(folder) == {CA_FILE}:
        return AmbientIdentity()
    return google_key_from_directory(folder) if location.gcs else keys_from_directory(folder)


def ca_from_directory(folder: Path) -> Path | None:
    """The file of authorities that are trusted instead of the public ones, where it is mounted."""
    path = folder / CA_FILE
    return path if path.exists() else None


def google_key(text: str, *, where: str) -> GoogleKey:
    """The key in a Secret. Raises CredentialsMissing, naming `where`."""
    try:
        found = json.loads(text)
        complete = {"client_email", "private_key", "token_uri"} <= found.keys()
    except (ValueError, AttributeError):
        complete = False
    if not complete:
        raise CredentialsMissing(
            f"{where}: {KEY_FILE} is not the key of a service account: it is the JSON file that"
            " `gcloud iam service-accounts keys create` writes"
        )
    return GoogleKey(text)


def google_key_from_mapping(data: Mapping[str, str], *, where: str) -> GoogleKey:
    """The key in a Secret's data (decoded). Raises CredentialsMissing, naming `where`."""
    text = data.get(KEY_FILE, "")
    if not text.strip():
        raise CredentialsMissing(f"{where} has no key {KEY_FILE} with text in it: add it")
    return google_key(text, where=where)


def google_key_from_directory(folder: Path) -> GoogleKey:
    """The key in a mounted Secret. Raises CredentialsMissing."""
    return google_key(_text(folder / KEY_FILE), where=str(folder))


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
    names = (*ACCESS_KEY_NAMES, *SECRET_KEY_NAMES, *SESSION_TOKEN_NAMES)
    data = {name: _text(folder / name) for name in names if (folder / name).exists()}
    return keys_from_mapping(data, where=str(folder))


def _files(folder: Path) -> set[str]:
    """What the kubelet shows of a Secret or ConfigMap, its own links apart."""
    return {path.name for path in folder.iterdir() if not path.name.startswith("..")}


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise CredentialsMissing(f"there is no {path}: mount the Secret with that key") from None
    except (OSError, UnicodeDecodeError) as error:
        raise CredentialsMissing(f"cannot read {path}: {error}") from None
