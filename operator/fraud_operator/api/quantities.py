"""Amounts as people write them (`10M`, `500m`, `1.5Gi`, `30s`, `"0.50"`), and what they mean.

Each kind is an annotated string for pydantic and the CRD, with a function that gives its value.
Nothing is a float: a fraction is a decimal string, so that what is written is what is meant.
Memory has the suffixes M, G, Mi, Gi, and storage Mi, Gi, Ti alone, so that CEL of Kubernetes 1.25
can compare it.
"""

from __future__ import annotations

import re
from decimal import Decimal
from math import ceil
from typing import Annotated, Any

from pydantic import BeforeValidator, StringConstraints, WithJsonSchema
from pydantic_core import PydanticCustomError

_POSITIVE = r"([1-9][0-9]{0,5}(\.[0-9]{1,3})?|0\.([1-9][0-9]{0,2}|0[1-9][0-9]?|00[1-9]))"
_CPU = rf"^([1-9][0-9]{{0,6}}m|{_POSITIVE})$"
_MEMORY = rf"^{_POSITIVE}(M|G|Mi|Gi)$"
_COUNT = rf"^([1-9][0-9]{{0,9}}|{_POSITIVE}[kKMB])$"
_DURATION = r"^[1-9][0-9]{0,4}(s|m|h)$"
_FRACTION = r"^(0(\.[0-9]{1,9})?|1(\.0{1,9})?)$"
_STORAGE = rf"^{_POSITIVE}(Mi|Gi|Ti)$"
_PERIOD = r"^[1-9][0-9]{0,3}(d|y)$"
_PERCENT_OR_COUNT = r"^([1-9][0-9]{0,2}|[1-9][0-9]?%|100%)$"

_BINARY = ("", "Ki", "Mi", "Gi", "Ti")
_DECIMAL = ("", "k", "M", "G", "T")
_UNITS: dict[str, int] = {
    name: step**power
    for step, names in ((1024, _BINARY), (1000, _DECIMAL))
    for power, name in enumerate(names)
}
_COUNT_UNITS = {"": 1, "k": 10**3, "K": 10**3, "M": 10**6, "B": 10**9}
_DAYS = {"d": 1, "y": 365}
_SECONDS = {"s": 1, "m": 60, "h": 3600}


def _text(pattern: str, example: str) -> BeforeValidator:
    """Accepts a string of that pattern, or an integer whose digits match it."""

    def checked(value: Any) -> str:
        text = str(value) if type(value) is int else value
        if not isinstance(text, str) or not re.fullmatch(pattern, text):
            raise PydanticCustomError(
                "quantity",
                "{value} is not valid here; for example: {example}",
                {"value": repr(value), "example": example},
            )
        return text

    return BeforeValidator(checked)


def _int_or_string(pattern: str, maximum: int) -> WithJsonSchema:
    return WithJsonSchema(
        {
            "anyOf": [{"type": "integer"}, {"type": "string"}],
            "x-kubernetes-int-or-string": True,
            "pattern": pattern,
            "maxLength": 16,
            "minimum": 1,
            "maximum": maximum,
        }
    )


def _string(pattern: str) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "pattern": pattern, "maxLength": 16})


Cpu = Annotated[str, _text(_CPU, "500m, 2 or 1.5"), _int_or_string(_CPU, 999_999)]
Memory = Annotated[str, _text(_MEMORY, "512Mi or 4Gi"), _string(_MEMORY)]
Storage = Annotated[str, _text(_STORAGE, "100Gi or 2Ti"), _string(_STORAGE)]
Count = Annotated[str, _text(_COUNT, "10M, 250k, 1B or 120000"), _int_or_string(_COUNT, 10**9)]
Duration = Annotated[str, _text(_DURATION, "30s, 5m or 1h"), _string(_DURATION)]
Period = Annotated[str, _text(_PERIOD, "90d or 7y"), _string(_PERIOD)]
Fraction = Annotated[str, StringConstraints(pattern=_FRACTION), _string(_FRACTION)]
PercentOrCount = Annotated[
    str, _text(_PERCENT_OR_COUNT, "1 or 10%"), _int_or_string(_PERCENT_OR_COUNT, 999)
]


def millicores(cpu: str) -> int:
    """Thousandths of a core: `500m` is 500, `1.5` is 1500."""
    return int(cpu[:-1]) if cpu.endswith("m") else int(Decimal(cpu) * 1000)


def canonical_cpu(cpu: str) -> str:
    """As the API server spells it: `1000m` is `1`."""
    thousandths = millicores(cpu)
    return f"{thousandths}m" if thousandths % 1000 else str(thousandths // 1000)


def bytes_of(memory: str) -> Decimal:
    """Bytes, of any spelling that Kubernetes has; not always whole (`1.001Mi`)."""
    suffix = memory.lstrip("0123456789.")
    return Decimal(memory.removesuffix(suffix)) * _UNITS[suffix]


def canonical_memory(memory: str) -> str:
    """As the API server spells it: `1024Mi` is `1Gi`, `1.5G` is `1500M`."""
    whole = ceil(bytes_of(memory))
    step, names = (1024, _BINARY) if memory.endswith("i") else (1000, _DECIMAL)
    power = 0
    while whole and whole % step == 0 and power < len(names) - 1:
        whole, power = whole // step, power + 1
    return f"{whole}{names[power]}"


def count(text: str) -> int:
    """How many: `10M` is ten million."""
    suffix = text.lstrip("0123456789.")
    return ceil(Decimal(text.removesuffix(suffix)) * _COUNT_UNITS[suffix])


def seconds(duration: str) -> int:
    """Seconds: `5m` is 300."""
    return int(duration[:-1]) * _SECONDS[duration[-1]]


def days(period: str) -> int:
    """Days: a year has 365."""
    return int(period[:-1]) * _DAYS[period[-1]]


def int_or_percent(text: str) -> int | str:
    """As Kubernetes takes it in an int-or-string field: `1` is a number, `10%` a string."""
    return text if text.endswith("%") else int(text)


def cel_millicores(field: str) -> str:
    """CEL for `millicores` of an int-or-string field."""
    text = f"string({field})"
    return f"({text}.endsWith('m') ? double({text}.replace('m', '')) : double({text}) * 1000.0)"


def cel_bytes(field: str) -> str:
    """CEL for `bytes_of` a string field."""
    cases = "".join(
        f"{field}.endsWith('{suffix}') ? double({field}.replace('{suffix}', '')) * {unit}.0 : "
        for suffix, unit in (("Mi", 2**20), ("Gi", 2**30), ("M", 10**6))
    )
    return f"({cases}double({field}.replace('G', '')) * 1000000000.0)"


def cel_storage(field: str) -> str:
    """CEL for `bytes_of` a field of that kind."""
    cases = "".join(
        f"{field}.endsWith('{suffix}') ? double({field}.replace('{suffix}', '')) * {unit}.0 : "
        for suffix, unit in (("Mi", 2**20), ("Gi", 2**30))
    )
    return f"({cases}double({field}.replace('Ti', '')) * {2**40}.0)"


def cel_days(field: str) -> str:
    """CEL for `days` of a string field."""
    return (
        f"({field}.endsWith('y') ? int({field}.replace('y', '')) * 365"
        f" : int({field}.replace('d', '')))"
    )


def cel_count(field: str) -> str:
    """CEL for `count` of an int-or-string field, before rounding."""
    text = f"string({field})"
    cases = "".join(
        f"{text}.endsWith('{suffix}') ? double({text}.replace('{suffix}', '')) * {unit}.0 : "
        for suffix, unit in (("B", 10**9), ("M", 10**6), ("k", 10**3), ("K", 10**3))
    )
    return f"({cases}double({text}))"
