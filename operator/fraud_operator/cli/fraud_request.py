"""`kubectl fraud rollback|promote|abort|release|sync`: asks the operator for what a person decides.

The request is one annotation of the FraudDetector; the operator does it and says in the status what
came of it. Nothing else is written, and nothing is done here.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import secrets
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from fraud_operator.cli.access import Access, access
from fraud_operator.cli.exits import Exit, Failure
from fraud_operator.cli.named import checked, detector_named
from fraud_operator.cli.terminal import printable, style_for
from fraud_operator.observe.requests import REQUEST_ANNOTATION
from fraud_operator.runtime.kinds import FRAUD_DETECTOR
from fraud_operator.runtime.kube import ApiError, NotFound, Object

_REVIEWS = "/apis/authentication.k8s.io"
_REVIEW_VERSIONS = ("v1", "v1beta1")
"""From Kubernetes 1.28 and 1.27 on; before, nobody tells a user who they are."""
_NOBODY = "unknown"
_LONGEST_REASON = 1024
_EVERY_SECONDS = 0.25


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What came of it. `outcome` is Done, Refused or Pending."""

    outcome: str
    message: str


async def run(arguments: argparse.Namespace) -> int:
    """Ask, and wait for what comes of it. Raises Failure."""
    name = checked(arguments.name)
    if len(arguments.reason) > _LONGEST_REASON:
        raise Failure(f"--reason has more than {_LONGEST_REASON} characters: say it shorter")
    async with access(arguments) as api:
        detector = await detector_named(api, name)
        if (detector.get("spec") or {}).get("suspend"):
            raise Failure(
                "spec.suspend is true: the operator does nothing about this detector until it is"
                " false"
            )
        request = {
            "id": secrets.token_hex(8),
            "action": arguments.action,
            "version": arguments.version,
            "reason": arguments.reason,
            "by": await _who(api),
        }
        await _ask(api, name, request)
        seconds = arguments.timeout if arguments.wait else 0.0
        outcome = await _heard(api, name, request["id"], seconds)
    _show(api, arguments, request, outcome)
    if outcome.outcome == "Pending":
        return Exit.NOT_READY if arguments.wait else Exit.OK
    return Exit.OK if outcome.outcome == "Done" else Exit.ERROR


async def _ask(api: Access, name: str, request: Mapping[str, str]) -> None:
    text = json.dumps({key: value for key, value in request.items() if value}, sort_keys=True)
    patch = {"metadata": {"annotations": {REQUEST_ANNOTATION: text}}}
    await api.patch(FRAUD_DETECTOR.path(api.namespace, name), patch)


async def _who(api: Access) -> str:
    """The user, by the API server's own word."""
    for version in _REVIEW_VERSIONS:
        body = {
            "apiVersion": f"authentication.k8s.io/{version}",
            "kind": "SelfSubjectReview",
        }
        try:
            answer = await api.review(f"{_REVIEWS}/{version}/selfsubjectreviews", body)
        except NotFound:
            continue
        except ApiError as error:
            if error.status == 403:
                return _NOBODY
            raise
        return str(answer["status"]["userInfo"].get("username") or _NOBODY)
    return _NOBODY


async def _heard(api: Access, name: str, id_: str, seconds: float) -> _Outcome:
    end = time.monotonic() + seconds
    while True:
        handled = _handled(await detector_named(api, name), id_)
        if handled is not None:
            return handled
        if time.monotonic() >= end:
            return _Outcome(
                "Pending",
                "the operator has not answered yet: is it running? kubectl fraud doctor"
                if seconds
                else f"asked; kubectl fraud status {name} says what came of it",
            )
        await asyncio.sleep(_EVERY_SECONDS)


def _handled(detector: Object, id_: str) -> _Outcome | None:
    model = (detector.get("status") or {}).get("model") or {}
    said: Mapping[str, Any] = model.get("request") or {}
    if said.get("id") != id_:
        return None
    return _Outcome(said.get("outcome", ""), said.get("message", ""))


def _show(
    api: Access, arguments: argparse.Namespace, request: Mapping[str, str], outcome: _Outcome
) -> None:
    if arguments.output == "json":
        found = {
            "namespace": api.namespace,
            "name": arguments.name,
            "request": dict(request),
            **asdict(outcome),
        }
        json.dump(found, sys.stdout, indent=2)
        print()
        return
    style = style_for(sys.stdout, os.environ)
    paint = {"Done": style.good, "Refused": style.bad}.get(outcome.outcome, style.warn)
    print(f"{paint(outcome.outcome.lower())}: {printable(outcome.message)}")
