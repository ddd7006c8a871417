"""What the demo shows of records: history, labels that come late, a look-up, and verification."""

import gzip
import json
import shlex
import time
from pathlib import Path
from textwrap import indent
from typing import Any

from examples.demo import bucket
from examples.demo.business import Files
from examples.demo.client import Client
from examples.demo.terminal import Shell, out
from tests.cluster import ClusterError

PREFIX = "card-payments-records/"
"""Of the sealed records in the bucket, as detector.yaml has it."""
PATIENCE = 60.0
_POSTGRES, _CREDENTIALS = "/etc/fraudops/postgres", "/etc/fraudops/records-credentials"


class Records:
    """Of one detector."""

    def __init__(self, shell: Shell, client: Client, namespace: str, detector: str) -> None:
        self._shell = shell
        self._client = client
        self._namespace = namespace
        self._detector = detector
        service = f"/api/v1/namespaces/{namespace}/services/{detector}-scorer:http"
        self._proxy = f"{service}/proxy"

    def bring_history(self, files: Files) -> None:
        """Have the weeks before now scored and labelled, as far as labels were there in time."""
        self._client.post(files.history, "/v1/score/batch")
        self._client.post(files.known, "/v1/labels")

    def bring_late_labels(self, files: Files, fraud: dict[str, Any]) -> None:
        """Score one fraud before and after the labels that tell of its terminal, and look it up."""
        where = fraud["entities"]["terminal"]
        before = self._score(fraud, "before-labels")
        out(f"  a fraud at terminal {where}: {_told(before)}")
        self._client.post(files.late, "/v1/labels")
        after = self._until_it_is_known(fraud)
        out(f"  the same again at {where}: {_told(after)}")
        self._look_up(_labelled_as_fraud(files.late))

    def verify(self) -> None:
        """Verify all records, in Postgres and in the bucket, with the public key of their seals."""
        template = '--output=go-template={{index .data "seal.pub" | base64decode}}'
        key = [
            *("kubectl", "get", "secret", f"{self._detector}-records-keys"),
            *("--namespace", self._namespace, template),
        ]
        verify = [
            *("kubectl", "exec", "--stdin", f"deployment/{self._detector}-scorer"),
            *("--namespace", self._namespace, "--", "fraud-scorer", "audit", "verify"),
            f"--postgres={_POSTGRES}",
            f"--archive=s3://{bucket.BUCKET}/{PREFIX}",
            f"--endpoint=http://{bucket.SERVICE}.{self._namespace}.svc:{bucket.PORT}",
            f"--store-credentials={_CREDENTIALS}",
            "--public-key=/dev/stdin",
        ]
        out(f"  $ {shlex.join(key)} > seal.pub\n  $ {shlex.join(verify)} < seal.pub")
        said = self._shell.run(*verify, input=self._shell.run(*key))
        out(indent(said.rstrip(), "    "))

    def _score(self, fraud: dict[str, Any], name: str) -> dict[str, Any]:
        """The answer to it under an id of its own: the same one would get the same answer."""
        line = json.dumps({**fraud, "transaction_id": name}).encode()
        answer: dict[str, Any] = json.loads(
            self._client.ask(gzip.compress(line), "/v1/score/batch")
        )
        return answer

    def _until_it_is_known(self, fraud: dict[str, Any]) -> dict[str, Any]:
        """What is kept of an entity is read anew behind the answer to its labels."""
        deadline = time.monotonic() + PATIENCE
        attempt = 0
        while True:
            attempt += 1
            answer = self._score(fraud, f"after-labels-{attempt}")
            if answer["decision"] != "approve":
                return answer
            if time.monotonic() > deadline:
                raise ClusterError(f"the labels changed nothing within a minute: {answer}")
            time.sleep(0.5)

    def _look_up(self, transaction: str) -> None:
        self._shell.look(
            f"kubectl get --raw {self._proxy}/v1/transactions/{transaction}", only=_in_short
        )


def _told(answer: dict[str, Any]) -> str:
    reasons = ", ".join(f"{one['feature']} {one['direction']} it" for one in answer["reasons"])
    return f"{answer['decision']}, score {answer['score']:.4f}" + (reasons and f" ({reasons})")


def _labelled_as_fraud(labels: Path) -> str:
    with gzip.open(labels) as lines:
        found = (json.loads(line) for line in lines)
        return next(str(one["transaction_id"]) for one in found if one["label"] == "chargeback")


def _in_short(known: str) -> str:
    """How it was answered and what turned out, of everything that is known."""
    fields = json.loads(known)
    lines = []
    for answer in fields["answers"]:
        entry = answer["entry"]
        lines.append(f"chain {answer['chain']}, entry {answer['sequence']}")
        lines += [json.dumps(one) for one in entry["predictions"]]
        lines.append(json.dumps(answer["personal"]))
    return "\n".join([*lines, *(json.dumps(one) for one in fields["labels"])])
