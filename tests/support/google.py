"""What Google gives out tokens by, on the loopback: OAuth for keys, STS and IAM for a cluster's."""

from __future__ import annotations

import http.server
import json
import threading
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)

SERVICE_ACCOUNT = "models@project.iam.gserviceaccount.com"


class Tokens:
    """A server that gives a token to everybody, or `refusal` (status and JSON). Use as a context
    manager. `asked` are path and form, or JSON body, of every request."""

    def __init__(self, refusal: tuple[int, Any] | None = None) -> None:
        self.asked: list[tuple[str, dict[str, Any]]] = []
        tokens = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                form = body.startswith("{")
                read = json.loads(body) if form else {k: v[0] for k, v in parse_qs(body).items()}
                tokens.asked.append((self.path, read))
                status, answer = refusal or (200, _granted(self.path))
                data = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_: object) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.endpoint = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))

    def __enter__(self) -> Tokens:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def key(self) -> str:
        """The key of a service account whose tokens are asked for here."""
        private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        return json.dumps(
            {
                "type": "service_account",
                "project_id": "project",
                "private_key_id": "1",
                "private_key": pem.decode(),
                "client_email": SERVICE_ACCOUNT,
                "token_uri": f"{self.endpoint}/token",
            }
        )


def _granted(path: str) -> dict[str, Any]:
    if path.endswith(":generateAccessToken"):
        expires = datetime.now(UTC) + timedelta(hours=1)
        return {"accessToken": "acted-as", "expireTime": expires.strftime("%Y-%m-%dT%H:%M:%SZ")}
    return {
        "access_token": "exchanged" if path == "/v1/token" else "granted",
        "issued_token_type": "urn:ietf:params:oauth:token-type:access_token",
        "token_type": "Bearer",
        "expires_in": 3600,
    }
