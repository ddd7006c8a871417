"""Who asks Google: a service account by its key, or by a token of the cluster's issuer.

A token is exchanged at Google's STS as the *provider*, then for a token of the service account
that is to be acted as. Failures of that exchange are told from failures of the store: no right to
the bucket would mend them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import google.auth
import requests
from google.auth import identity_pool
from google.auth.credentials import Credentials
from google.auth.exceptions import (
    DefaultCredentialsError,
    GoogleAuthError,
    OAuthError,
    RefreshError,
    TransportError,
)
from google.oauth2 import service_account

from fraud_scorer.artifact.credentials import GCSCredentials, GoogleKey, GoogleWebIdentity
from fraud_scorer.artifact.store import AccessDenied, CredentialsMissing, StoreUnreachable

_SCOPES = ("https://www.googleapis.com/auth/devstorage.read_write",)
_STS = "https://sts.googleapis.com"
_IAM = "https://iamcredentials.googleapis.com"
_REFUSALS = ("access_denied", "invalid_", "unauthorized_client", "unsupported_")
"""How the codes begin with which OAuth refuses (RFC 6749, RFC 8693); others are trouble."""


def google_credentials(given: GCSCredentials) -> Credentials:
    """What the SDK asks as. Raises errors that `explained` explains."""
    if isinstance(given, GoogleKey):
        try:
            found: Credentials = service_account.Credentials.from_service_account_info(
                json.loads(given.text), scopes=_SCOPES
            )
        except (ValueError, GoogleAuthError):  # the error repeats parts of the key
            raise CredentialsMissing(
                "key.json holds no usable private key: download the service account's key again"
            ) from None
        return found
    if isinstance(given, GoogleWebIdentity):
        return identity_pool.Credentials(
            audience=given.provider,
            subject_token_type="urn:ietf:params:oauth:token-type:jwt",  # noqa: S106
            token_url=f"{given.sts_endpoint or _STS}/v1/token",
            subject_token_supplier=_Tokens(given),
            service_account_impersonation_url=(
                f"{given.iam_endpoint or _IAM}/v1/projects/-/serviceAccounts/"
                f"{given.service_account}:generateAccessToken"
            ),
            scopes=_SCOPES,
        )
    ambient, _ = google.auth.default(scopes=_SCOPES)
    return ambient


class _Tokens(identity_pool.SubjectTokenSupplier):
    def __init__(self, identity: GoogleWebIdentity) -> None:
        self._identity = identity

    def get_subject_token(self, context: Any, request: Any) -> str:
        return self._identity.token()


@contextmanager
def explained() -> Iterator[None]:
    """Turn what getting a token raises into the store's errors, with what to do next."""
    try:
        yield
    except DefaultCredentialsError as error:
        raise CredentialsMissing(
            f"nothing to authenticate with at Google: {error}; name a Secret with key.json, or"
            " give the ServiceAccount a Google service account"
        ) from None
    except TransportError as error:
        raise StoreUnreachable(
            f"Google does not give out a token ({error}): may traffic go there?"
        ) from None
    except (RefreshError, OAuthError) as error:
        refused = isinstance(error, OAuthError) and any(code in str(error) for code in _REFUSALS)
        if isinstance(error, RefreshError):
            refused = not error.retryable and not isinstance(
                error.__cause__, requests.RequestException
            )
        if not refused:
            raise StoreUnreachable(f"Google gave no token ({error}): it is tried again") from None
        raise AccessDenied(
            f"Google gave no token: {error}; give a key that is valid, or let the service account"
            " be acted as by this ServiceAccount (roles/iam.workloadIdentityUser)"
        ) from None
    except GoogleAuthError as error:
        raise StoreUnreachable(f"Google gave no token ({error}): it is tried again") from None
