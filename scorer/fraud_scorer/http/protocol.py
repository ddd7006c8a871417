"""uvicorn's HTTP protocol, changed in what a caller sees of a request that is not even HTTP.

The place for whatever has to be decided below ASGI.
"""

from __future__ import annotations

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from fraud_scorer.problem import BAD_HTTP, MEDIA_TYPE, Problem


class HttpProtocol(HttpToolsProtocol):
    """One connection."""

    def send_400_response(self, msg: str) -> None:
        """Answer with a problem document, and end the connection."""
        body = Problem(BAD_HTTP, msg).body()
        lines = [
            b"content-type: " + MEDIA_TYPE.encode(),
            b"content-length: " + str(len(body)).encode(),
            b"connection: close",
        ]
        self.transport.write(STATUS_LINE[400] + b"\r\n".join(lines) + b"\r\n\r\n" + body)
        self.transport.close()
