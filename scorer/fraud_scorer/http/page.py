"""`/`: a page to try the service with. It is one file, and asks nobody but this service.

What it shows it reads from /openapi.json: the routes, the model that is loaded and its features,
and a transaction to begin with.
"""

from __future__ import annotations

import base64
import hashlib
import re
from importlib.resources import files

from fraud_scorer.http.asgi import Request, Response

_PAGE = files("fraud_scorer.http").joinpath("page.html").read_bytes()


def _hashes(element: bytes) -> str:
    """The page's own scripts or styles by their digests: a browser runs no others."""
    inner = re.findall(rb"<%s>(.*?)</%s>" % (element, element), _PAGE, re.DOTALL)
    digests = (base64.b64encode(hashlib.sha256(text).digest()).decode() for text in inner)
    return " ".join(f"'sha256-{digest}'" for digest in digests)


_POLICY = (
    f"default-src 'none'; script-src {_hashes(b'script')}; style-src {_hashes(b'style')};"
    " connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = ((b"content-security-policy", _POLICY.encode()), (b"referrer-policy", b"no-referrer"))


async def page(_: Request) -> Response:
    """The page."""
    return Response(_PAGE, content_type="text/html; charset=utf-8", headers=_HEADERS)
