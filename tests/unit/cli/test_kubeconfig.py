"""Which cluster, namespace and identity a kubeconfig means; as kubectl reads it."""

from __future__ import annotations

import json
import ssl
import sys
from pathlib import Path
from typing import Any

import pytest

from fraud_operator.cli.kubeconfig import target
from fraud_operator.runtime.connection import ConnectionProblem

CLUSTER = {"name": "one", "cluster": {"server": "http://one:6443/"}}
OTHER = {"name": "two", "cluster": {"server": "http://two:6443"}}
USER = {"name": "me", "user": {"token": "secret"}}
CONTEXT = {"name": "one", "context": {"cluster": "one", "user": "me", "namespace": "fraud"}}
OTHER_CONTEXT = {"name": "two", "context": {"cluster": "two", "user": "me"}}


def written(folder: Path, name: str = "config", **changes: Any) -> Path:
    config = {
        "current-context": "one",
        "clusters": [CLUSTER, OTHER],
        "users": [USER],
        "contexts": [CONTEXT, OTHER_CONTEXT],
        **changes,
    }
    path = folder / name
    path.write_text(json.dumps(config))
    return path


async def test_the_current_context_says_server_identity_and_namespace(tmp_path: Path) -> None:
    found = await target(str(written(tmp_path)), "", environ={})
    assert found.connection.server == "http://one:6443"
    assert await found.connection.authorization() == "Bearer secret"
    assert found.namespace == "fraud"


async def test_another_context_is_chosen_by_name(tmp_path: Path) -> None:
    found = await target(str(written(tmp_path)), "two", environ={})
    assert found.connection.server == "http://two:6443"
    assert found.namespace == "default"


async def test_the_variable_names_several_files_and_the_first_wins(tmp_path: Path) -> None:
    first = written(tmp_path, "first", clusters=[], users=[], contexts=[CONTEXT])
    second = written(tmp_path, "second", **{"current-context": "two"})
    missing = tmp_path / "missing"
    found = await target("", "", environ={"KUBECONFIG": f"{first}:{missing}:{second}"})
    assert found.connection.server == "http://one:6443"


async def test_a_token_file_lies_beside_the_kubeconfig_and_is_read_each_time(
    tmp_path: Path,
) -> None:
    path = written(tmp_path, users=[{"name": "me", "user": {"tokenFile": "token"}}])
    (tmp_path / "token").write_text("first\n")
    connection = (await target(str(path), "", environ={})).connection
    assert await connection.authorization() == "Bearer first"
    (tmp_path / "token").write_text("second\n")
    assert await connection.authorization() == "Bearer second"


async def test_an_exec_plugin_is_run(tmp_path: Path) -> None:
    plugin = tmp_path / "plugin"
    credential = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "kind": "ExecCredential",
        "status": {"token": "of-the-plugin"},
    }
    plugin.write_text(f"#!{sys.executable}\nprint('''{json.dumps(credential)}''')\n")
    plugin.chmod(0o700)
    api = "client.authentication.k8s.io/v1"
    user = {"exec": {"apiVersion": api, "command": str(plugin), "interactiveMode": "Never"}}
    path = written(tmp_path, users=[{"name": "me", "user": user}])
    found = await target(str(path), "", environ={})
    assert await found.connection.authorization() == "Bearer of-the-plugin"
    assert found.namespace == "fraud"


async def test_verification_is_off_only_where_it_says_so(tmp_path: Path) -> None:
    cluster = {"server": "https://one:6443", "insecure-skip-tls-verify": True}
    path = written(tmp_path, clusters=[{"name": "one", "cluster": cluster}])
    tls = (await target(str(path), "", environ={})).connection.tls
    assert tls is not None
    assert tls.verify_mode == ssl.CERT_NONE
    del cluster["insecure-skip-tls-verify"]
    path = written(tmp_path, clusters=[{"name": "one", "cluster": cluster}])
    tls = (await target(str(path), "", environ={})).connection.tls
    assert tls is not None
    assert (tls.verify_mode, tls.check_hostname) == (ssl.CERT_REQUIRED, True)


@pytest.mark.parametrize(
    ("changes", "context", "said"),
    [
        ({}, "three", "has no context 'three'; it has: one, two"),
        ({"current-context": ""}, "", "has no current context: choose one with --context"),
        ({"clusters": [OTHER]}, "", "has no cluster 'one'; it has: two"),
        ({"users": []}, "", "has no user 'me'; it has: none"),
        ({"clusters": [{"name": "one", "cluster": {}}]}, "", "the cluster has no server"),
        ({"contexts": "nonsense"}, "", "cannot use the kubeconfig"),
    ],
)
async def test_what_is_wrong_is_named(
    tmp_path: Path, changes: dict[str, Any], context: str, said: str
) -> None:
    with pytest.raises(ConnectionProblem, match=said):
        await target(str(written(tmp_path, **changes)), context, environ={})


async def test_a_kubeconfig_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConnectionProblem, match=r"no kubeconfig at .*nowhere.*--kubeconfig"):
        await target(str(tmp_path / "nowhere"), "", environ={})


async def test_certificates_that_are_none_are_named(tmp_path: Path) -> None:
    cluster = {"server": "https://one:6443", "certificate-authority-data": "bm9uZQ=="}
    path = written(tmp_path, clusters=[{"name": "one", "cluster": cluster}])
    with pytest.raises(ConnectionProblem, match="cannot use the certificates"):
        await target(str(path), "", environ={})
