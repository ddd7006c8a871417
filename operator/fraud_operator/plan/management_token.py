"""The Secret that lets the operator in at its pods' management ports, and pods at one another's.

Another key of it lets them, and verifications, in at the servers of volumes, and nowhere else.

Its keys get random values when the Secret is made, and are never written again: whoever wants
others deletes the Secret, and pods take the new values when the kubelet gives them.
"""

from __future__ import annotations

from fraud_operator.api.frauddetector import FraudDetector
from fraud_operator.plan.children import management_name, metadata
from fraud_operator.plan.types import Manifested

TOKEN_KEY = "token"  # noqa: S105 - the name of a key
VOLUME_TOKEN_KEY = "volumeToken"  # noqa: S105 - the name of a key


def management_token(detector: FraudDetector) -> Manifested:
    """Without its values, which are made up when it is created."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": metadata(detector, management_name(detector)),
        "type": "Opaque",
    }
