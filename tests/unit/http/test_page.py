"""The page to try the service with asks nobody but the service."""

from __future__ import annotations

import base64
import hashlib
import re

import pytest

from tests.unit.http.support import Running

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_it_is_html_without_anything_from_elsewhere(shared: Running) -> None:
    response = await shared.client.get("/")
    assert response.status_code == 200
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert re.findall(r"""(?:src|href)\s*=\s*["'](.*?)["']""", response.text) == ["openapi.json"]
    assert "://" not in response.text


async def test_a_browser_runs_its_own_script_and_no_other(shared: Running) -> None:
    response = await shared.client.get("/")
    policy = response.headers["content-security-policy"]
    (script,) = re.findall(r"<script>(.*?)</script>", response.text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert "default-src 'none'" in policy
    assert f"script-src 'sha256-{digest}';" in policy
    assert "unsafe" not in policy


async def test_what_it_begins_with_is_answered(shared: Running) -> None:
    """The examples of the description, which the page fills in."""
    document = (await shared.client.get("/openapi.json")).json()
    tried = 0
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            only = {
                each["name"]: each["schema"]["enum"][0] for each in operation.get("parameters", ())
            }
            content = operation.get("requestBody", {}).get("content", {}).get("application/json")
            given = {} if content is None else {"json": content["example"]}
            response = await shared.client.request(method, path.format(**only), **given)
            assert response.status_code == 200, (path, response.text)
            tried += "json" in given
    assert tried == 4
