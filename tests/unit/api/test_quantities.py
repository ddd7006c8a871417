"""Amounts as people write them: what is taken, what it means, how the API server spells it."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from fraud_operator.api import quantities


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("10M", 10_000_000),
        ("1B", 1_000_000_000),
        ("250k", 250_000),
        ("250K", 250_000),
        ("2.5M", 2_500_000),
        ("0.001k", 1),
        ("1.001k", 1001),
        (120_000, 120_000),
    ],
)
def test_counts(text, value):
    assert quantities.count(TypeAdapter(quantities.Count).validate_python(text)) == value


@pytest.mark.parametrize(
    ("kind", "bad"),
    [
        (quantities.Count, value)
        for value in ("", "0", "-1", "10m", "1e6", "1,000", "10 M", "M", 0, -5, 1.5, True, None)
    ]
    + [(quantities.Cpu, value) for value in ("0", "0m", "0.0001", "1.5m", "1Gi", 0, 0.5, True)]
    + [(quantities.Memory, value) for value in ("1", "1gi", "1Ki", "0Mi", "-1Gi", 1024, "1.5")]
    + [(quantities.Duration, value) for value in ("0s", "5", "1d", "1h30m", "1.5h", 30)]
    + [(quantities.Fraction, value) for value in ("1.1", "-0.1", ".5", "0.", "50%", 0.5, 1)]
    + [(quantities.PercentOrCount, value) for value in ("0", "0%", "101%", "1.5%", 0, -1)],
)
def test_what_is_not_an_amount_is_refused(kind, bad):
    with pytest.raises(ValidationError):
        TypeAdapter(kind).validate_python(bad)


@pytest.mark.parametrize(
    ("text", "spelled"),
    [("500m", "500m"), ("1000m", "1"), ("1.5", "1500m"), ("2", "2"), ("0.25", "250m")],
)
def test_cpu_is_spelled_as_the_api_server_does(text, spelled):
    assert quantities.canonical_cpu(text) == spelled


@pytest.mark.parametrize(
    ("text", "spelled"),
    [
        ("1Gi", "1Gi"),
        ("1024Mi", "1Gi"),
        ("1.5Gi", "1536Mi"),
        ("1500M", "1500M"),
        ("1.5G", "1500M"),
        ("1000M", "1G"),
        ("0.5Mi", "512Ki"),
        ("0.001Mi", "1049"),
    ],
)
def test_memory_is_spelled_as_the_api_server_does(text, spelled):
    assert quantities.canonical_memory(text) == spelled


@pytest.mark.parametrize(
    ("text", "value"), [("30s", 30), ("5m", 300), ("2h", 7200), ("99999s", 99_999)]
)
def test_durations(text, value):
    assert quantities.seconds(TypeAdapter(quantities.Duration).validate_python(text)) == value


def test_a_percentage_stays_text_and_a_number_becomes_one():
    assert [quantities.int_or_percent(text) for text in ("10%", "3")] == ["10%", 3]


@given(st.integers(1, 999_999), st.integers(0, 999), st.sampled_from("kKMB"))
def test_any_count_means_what_it_says(whole, thousandths, suffix):
    text = f"{whole}.{thousandths:03}{suffix}"
    value = quantities.count(TypeAdapter(quantities.Count).validate_python(text))
    unit = {"k": 10**3, "K": 10**3, "M": 10**6, "B": 10**9}[suffix]
    assert value == Decimal(f"{whole}.{thousandths:03}") * unit


@given(st.integers(1, 9_999_999))
def test_canonical_cpu_means_the_same(thousandths):
    assert quantities.millicores(quantities.canonical_cpu(f"{thousandths}m")) == thousandths


@given(st.text(max_size=12))
def test_no_text_breaks_the_parser(text):
    for kind, value in (
        (quantities.Count, quantities.count),
        (quantities.Cpu, quantities.millicores),
    ):
        try:
            taken = TypeAdapter(kind).validate_python(text)
        except ValidationError:
            continue
        assert value(taken) > 0
