"""Names of other objects, as Kubernetes checks them."""

from __future__ import annotations

from typing import Annotated

from pydantic import StringConstraints

_LABEL = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN = rf"^{_LABEL}(\.{_LABEL})*$"
_SECRET_KEY = r"^[-._a-zA-Z0-9]+$"  # noqa: S105 -- a pattern
QUALIFIED = r"^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$"
IMAGE = r"^[a-z0-9][A-Za-z0-9._:/@-]*$"
_LABEL_VALUE = r"^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$"
_VARIABLE = r"^[A-Za-z_][A-Za-z0-9_]*$"

ObjectName = Annotated[str, StringConstraints(pattern=_SUBDOMAIN, min_length=1, max_length=253)]
SecretKey = Annotated[str, StringConstraints(pattern=_SECRET_KEY, min_length=1, max_length=253)]
QualifiedName = Annotated[str, StringConstraints(pattern=QUALIFIED, min_length=1, max_length=253)]
LabelValue = Annotated[str, StringConstraints(pattern=_LABEL_VALUE, max_length=63)]
VariableName = Annotated[str, StringConstraints(pattern=_VARIABLE, min_length=1, max_length=128)]
