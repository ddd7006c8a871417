"""The Helm chart: the objects of `objects`, with the chart's values in place of what can be chosen.

A placeholder is a string that holds the template expression; what it is marked as decides how it
is written down. `#number` stands without quotes, `#block` is YAML of its own below the key, and
`#optional` is a block that leaves the key out where the value is empty.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from fraud_operator.install import objects
from fraud_operator.install.documents import document
from fraud_operator.install.objects import Options

HEADER = (
    "{{- /* Made by `make generate` from operator/fraud_operator/install. Do not edit. */ -}}\n"
)

_OPTIONS = Options(
    namespace="{{ $.Release.Namespace }}",
    image="{{ $.Values.image }}",
    scorer_image="{{ $.Values.scorerImage }}",
    replicas="{{ $.Values.replicas }}#number",
    image_pull_policy="{{ $.Values.imagePullPolicy }}",
    scorer_image_pull_policy="{{ $.Values.scorerImagePullPolicy }}",
    redis_image="{{ $.Values.redisImage }}",
    postgres_image="{{ $.Values.postgresImage }}",
    watched="{{ join `,` $.Values.watchNamespaces }}",
    log_level="{{ $.Values.logLevel }}",
    log_format="{{ $.Values.logFormat }}",
    resources="{{ $.Values.resources }}#block",
    service_account_annotations="{{ $.Values.serviceAccountAnnotations }}#optional",
    image_pull_secrets="{{ $.Values.imagePullSecrets }}#optional",
    node_selector="{{ $.Values.nodeSelector }}#optional",
    tolerations="{{ $.Values.tolerations }}#optional",
    affinity="{{ $.Values.affinity }}#optional",
    priority_class_name="{{ $.Values.priorityClassName }}#optional",
)

_NUMBER = re.compile(r"'(\{\{[^{}]*\}\})#number'")
_BLOCK = re.compile(
    r"""^(?P<indent>[ ]*)(?P<key>\w+):[ ]'\{\{[ ](?P<value>[^{} ]+)[ ]\}\}"""
    r"""\#(?P<kind>block|optional)'$""",
    re.MULTILINE,
)


def templates() -> dict[str, str]:
    """The chart's templates by file name."""
    files = {
        "serviceaccount.yaml": _template(objects.service_account(_OPTIONS)),
        "clusterrole.yaml": _template(objects.cluster_role()),
        "clusterrolebinding.yaml": _when_all(_template(objects.cluster_role_binding(_OPTIONS))),
        "rolebindings.yaml": _for_each(_template(objects.role_binding(_OPTIONS, "{{ . }}"))),
        "leader-election-role.yaml": _template(objects.lease_role(_OPTIONS)),
        "leader-election-rolebinding.yaml": _template(objects.lease_role_binding(_OPTIONS)),
        "view-clusterrole.yaml": _template(objects.view_role()),
        "edit-clusterrole.yaml": _template(objects.edit_role()),
        "poddisruptionbudget.yaml": _template(objects.pod_disruption_budget(_OPTIONS)),
        "deployment.yaml": _template(objects.deployment(_OPTIONS)),
    }
    return {name: HEADER + text for name, text in files.items()}


def _when_all(text: str) -> str:
    return f"{{{{- if not $.Values.watchNamespaces }}}}\n{text}{{{{- end }}}}\n"


def _for_each(text: str) -> str:
    return f"{{{{- range $.Values.watchNamespaces }}}}\n---\n{text}{{{{- end }}}}\n"


def _template(manifest: Mapping[str, Any]) -> str:
    return _BLOCK.sub(_block, _NUMBER.sub(r"\1", document(manifest)))


def _block(found: re.Match[str]) -> str:
    indent, key, value = found["indent"], found["key"], found["value"]
    if found["kind"] == "block":
        return f"{indent}{key}: {{{{- toYaml {value} | nindent {len(indent) + 2} }}}}"
    if key == "priorityClassName":
        inner = f"{indent}{key}: {{{{ . }}}}"
    else:
        inner = f"{indent}{key}: {{{{- toYaml . | nindent {len(indent) + 2} }}}}"
    return f"{indent}{{{{- with {value} }}}}\n{inner}\n{indent}{{{{- end }}}}"
