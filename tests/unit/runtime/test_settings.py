"""Flags win over the environment, which wins over defaults; what is wrong is named."""

from __future__ import annotations

import argparse
import dataclasses
import re
import shlex
from pathlib import Path

import pytest

from fraud_operator.runtime import settings
from fraud_operator.runtime.settings import Settings, SettingsError

ROOT = Path(__file__).parents[3]


def parsed(*arguments: str, **environ: str) -> Settings:
    parser = argparse.ArgumentParser()
    settings.add_arguments(parser)
    return settings.from_arguments(parser.parse_args(arguments), environ)


def test_every_setting_has_a_flag_and_a_variable() -> None:
    flags = {setting.name for setting in settings._SETTINGS}
    assert flags == {field.name for field in dataclasses.fields(Settings)}


def test_what_contributing_tells_to_run_is_enough() -> None:
    """Without a scorer image it does not start, with leader election it wants a namespace that a
    new cluster has not."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    (command,) = re.findall(r"^\$ \.venv/bin/fraud-operator run\b(.*)$", text, re.MULTILINE)
    assert not parsed(*shlex.split(command)).leader_election


def test_defaults() -> None:
    found = parsed("--scorer-image=x")
    assert found.namespaces == ()
    assert found.listen == ("", 8080)
    assert found.leader_election
    assert parsed("--scorer-image=x").identity != found.identity


def test_a_flag_wins_over_the_environment() -> None:
    environ = {"FRAUD_OPERATOR_SCORER_IMAGE": "env", "FRAUD_OPERATOR_WORKERS": "3"}
    found = parsed("--scorer-image=flag", **environ)
    assert (found.scorer_image, found.workers) == ("flag", 3)


def test_lists_and_addresses() -> None:
    found = parsed("--scorer-image=x", "--namespaces=a, b,,a", "--listen=[::1]:9")
    assert found.namespaces == ("a", "b")
    assert found.listen == ("::1", 9)
    assert parsed("--scorer-image=x", "--namespaces=").namespaces == ()
    assert not parsed("--scorer-image=x", "--leader-election=false").leader_election


@pytest.mark.parametrize(
    ("argument", "complaint"),
    [
        ("--workers=0", "--workers must be a whole number from 1 to 1000"),
        ("--workers=many", "--workers must be a whole number"),
        ("--listen=8080", "--listen must be host:port or :port"),
        ("--listen=:99999", "--listen must be host:port"),
        ("--log-level=loud", "--log-level must be one of debug, info, warning, error"),
        ("--leader-election=maybe", "--leader-election must be one of true, false"),
        ("--relist-seconds=0", "--relist-seconds must be a number of seconds"),
        ("--image-pull-policy=Sometimes", "--image-pull-policy must be one of Always"),
        ("--lease-name=A b", "--lease-name must be a name"),
        ("--lease-namespace=no.dots", "--lease-namespace must be a namespace's name"),
        ("--namespaces=a,B", "--namespaces must be a namespace's name .* not 'B'"),
        ("--scorer-image=", "--scorer-image must be the name of an image"),
    ],
)
def test_what_is_wrong_is_named(argument: str, complaint: str) -> None:
    with pytest.raises(SettingsError, match=complaint):
        parsed("--scorer-image=x", argument)


def test_a_wrong_variable_is_named() -> None:
    with pytest.raises(SettingsError, match="FRAUD_OPERATOR_WORKERS must be"):
        parsed("--scorer-image=x", FRAUD_OPERATOR_WORKERS="x")


def test_an_image_is_needed() -> None:
    with pytest.raises(SettingsError, match="--scorer-image IMAGE or set FRAUD_OPERATOR_SCORER_"):
        parsed()
