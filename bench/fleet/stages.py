"""What kwok makes of pods, as a config of its own: those that serve are ready as soon as they are
scheduled, all at this machine's own address; those that verify end at once with judge's verdict.

There is one version, so there is one verdict. Nothing is verified here: that is what a real cluster
measures. What the operator does about it is the same.
"""

from __future__ import annotations

import json
from typing import Any

import yaml

from fraud_operator.plan.children import NAME_LABEL, VERIFICATION
from fraud_operator.plan.verification import JUDGE
from fraud_scorer.artifact import verdict as verdicts
from fraud_scorer.artifact.digest import sha256_hex
from fraud_scorer.artifact.manifest import Manifest, encode
from tests.support.verdicts import proven

_PURPOSE = f'.metadata.labels["{NAME_LABEL}"]'
_READY = """\
{{ $now := Now }}
phase: Running
startTime: {{ $now | Quote }}
hostIP: {{ NodeIPWith .spec.nodeName | Quote }}
podIP: %s
conditions:
- {type: Initialized, status: "True", lastTransitionTime: {{ $now | Quote }}}
- {type: ContainersReady, status: "True", lastTransitionTime: {{ $now | Quote }}}
- {type: Ready, status: "True", lastTransitionTime: {{ $now | Quote }}}
containerStatuses:
{{ range .spec.containers }}
- name: {{ .name | Quote }}
  image: {{ .image | Quote }}
  imageID: ""
  ready: true
  restartCount: 0
  state: {running: {startedAt: {{ $now | Quote }}}}
{{ end }}
"""
_JUDGED = """\
{{ $now := Now }}
phase: Succeeded
startTime: {{ $now | Quote }}
containerStatuses:
- name: %s
  image: {{ (index .spec.containers 0).image | Quote }}
  imageID: ""
  ready: false
  restartCount: 0
  state:
    terminated:
      exitCode: 0
      reason: Completed
      startedAt: {{ $now | Quote }}
      finishedAt: {{ $now | Quote }}
      message: %s
"""


def config(published: Manifest, address: str) -> str:
    """The file that `kwok --config` takes, with all pods at `address`. One of loopback would not
    do: no Service may have it, and those who keep its endpoints would try again and again."""
    alive = {"key": ".metadata.deletionTimestamp", "operator": "DoesNotExist"}
    going = {"key": ".metadata.deletionTimestamp", "operator": "Exists"}
    new = {"key": ".status.podIP", "operator": "DoesNotExist"}
    waits = {"key": ".status.phase", "operator": "In", "values": ["Pending"]}
    verifies = {"key": _PURPOSE, "operator": "In", "values": [VERIFICATION]}
    serves = {"key": _PURPOSE, "operator": "NotIn", "values": [VERIFICATION]}
    ready = _READY % json.dumps(address)
    verdict = proven(published, sha256_hex(encode(published)))
    message = json.dumps(verdicts.encode(verdict).decode())
    return yaml.safe_dump_all(
        [
            _stage("pod-ready", [alive, new, serves], {"statusTemplate": ready}),
            _stage(
                "pod-judged",
                [alive, waits, verifies],
                {"statusTemplate": _JUDGED % (JUDGE, message)},
            ),
            _stage("pod-delete", [going], {"finalizers": {"empty": True}, "delete": True}),
        ]
    )


def _stage(name: str, selector: list[dict[str, Any]], then: dict[str, Any]) -> dict[str, Any]:
    return {
        "apiVersion": "kwok.x-k8s.io/v1alpha1",
        "kind": "Stage",
        "metadata": {"name": name},
        "spec": {
            "resourceRef": {"apiGroup": "v1", "kind": "Pod"},
            "selector": {"matchExpressions": selector},
            "next": then,
        },
    }
