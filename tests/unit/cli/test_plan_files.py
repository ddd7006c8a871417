"""What is read from files: FraudDetectors, the Secrets beside them, and clear errors."""

from __future__ import annotations

from base64 import b64encode
from pathlib import Path

import pytest

from fraud_operator.cli.exits import Failure
from fraud_operator.cli.planning.files import read

DETECTOR = "{apiVersion: fraudops.io/v1beta1, kind: FraudDetector, metadata: {name: cards}}"


def file(folder: Path, *documents: str) -> str:
    path = folder / "file.yaml"
    path.write_text("\n---\n".join(documents))
    return str(path)


def test_detectors_get_the_namespace_that_is_meant(tmp_path: Path) -> None:
    other = DETECTOR.replace("name: cards", "name: cards, namespace: other")
    found = read([file(tmp_path, DETECTOR, other, "")], "here", explicit=False)
    assert [one["metadata"]["namespace"] for one in found.detectors] == ["here", "other"]


def test_lists_are_taken_apart(tmp_path: Path) -> None:
    found = read([file(tmp_path, f"{{kind: List, items: [{DETECTOR}]}}")], "here", explicit=False)
    assert [one["metadata"]["name"] for one in found.detectors] == ["cards"]


def test_secrets_beside_them_are_known_and_the_rest_is_named(tmp_path: Path) -> None:
    data = b64encode(b"secret").decode()
    values = f"data: {{a: {data}}}, stringData: {{b: c}}"
    secret = f"{{kind: Secret, metadata: {{name: keys}}, {values}}}"
    text = file(tmp_path, DETECTOR, secret, "{kind: Namespace, metadata: {name: here}}")
    found = read([text], "here", explicit=False)
    assert found.secrets == {("here", "keys"): {"a": "secret", "b": "c"}}
    assert found.others == ["Namespace here"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{kind: Service, metadata: {name: a}}", "there is no FraudDetector in"),
        ("just text", "no kind"),
        ("{kind: List, items: [1]}", "no kind"),
        ("{kind: List, items: {a: 1}}", "no kind"),
        ("{kind: [a], metadata: {name: a}}", "no kind"),
        (
            "{kind: Secret, metadata: {name: a}, stringData: [b]}",
            "stringData of Secret a is no map",
        ),
        ("{kind: Secret, metadata: {name: a}, data: b}", "data of Secret a is no map"),
        ("{kind: FraudDetector", "is not YAML"),
        (DETECTOR.replace("v1beta1", "v2"), "is fraudops.io/v2; this kubectl-fraud knows"),
        (DETECTOR.replace("{name: cards}", "{}"), "has no metadata.name"),
        (DETECTOR.replace("name: cards", "name: cards, namespace: b"), "says namespace b"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(Failure, match=said):
        read([file(tmp_path, text)], "here", explicit=True)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(Failure, match=r"cannot read .*nowhere: No such file"):
        read([str(tmp_path / "nowhere")], "here", explicit=False)
