"""What becomes of a pod's refusal."""

from dataclasses import replace

from fraud_operator.plan.quarantine import described, quarantine
from fraud_operator.plan.types import Refusal
from tests.support.worlds import NOW

REFUSAL = Refusal(
    version="v2",
    digest="sha256:22",
    reason="DigestMismatch",
    file="v2/model.fdm",
    expected="sha256:22",
    actual="sha256:33",
    message="",
    pod="p",
)


def taken(*refusals, entries=(), planned=("sha256:22",), active="sha256:11", listed=()):
    return quarantine(entries, refusals, planned=planned, active=active, listed=listed, now=NOW)


def test_a_refusal_is_kept_with_all_that_it_says():
    found = taken(REFUSAL)
    assert (
        found.new
        == found.entries
        == (
            {
                "digest": "sha256:22",
                "version": "v2",
                "reason": "DigestMismatch",
                "message": "v2/model.fdm: expected sha256:22, found sha256:33",
                "since": "2026-01-02T03:04:05Z",
            },
        )
    )
    assert found.get("v2", "sha256:22") == found.new[0]
    assert found.get("v2", "sha256:33") is None


def test_bytes_that_are_no_good_are_refused_under_every_name():
    for reason in ("LoadFailed", "GoldenMismatch", "FormatMismatch"):
        assert taken(replace(REFUSAL, reason=reason)).get("v3", "sha256:22")


def test_the_stated_bytes_may_come_whole_under_another_name():
    for reason in ("DigestMismatch", "FileMissing", "ManifestInvalid"):
        found = taken(replace(REFUSAL, reason=reason))
        assert found.get("v2", "sha256:22")
        assert found.get("v3", "sha256:22") is None


def test_a_damaged_copy_says_nothing_of_the_version_that_serves():
    found = taken(REFUSAL, active="sha256:22")
    assert found.get("v2", "sha256:22")
    assert found.get("v1", "sha256:22") is None


def test_it_is_new_only_once():
    entries = taken(REFUSAL).entries
    again = taken(REFUSAL, replace(REFUSAL, reason="LoadFailed"), entries=entries)
    assert again.entries == entries
    assert again.new == ()


def test_a_refusal_of_what_was_never_planned_is_not_ours():
    assert taken(REFUSAL, planned=()).entries == ()


def test_pods_that_cannot_load_what_others_serve_say_nothing_about_the_bytes():
    for reason in ("FormatMismatch", "LoadFailed", "GoldenMismatch"):
        refusal = replace(REFUSAL, reason=reason)
        found = taken(refusal, active="sha256:22")
        assert found.entries == ()
        assert found.unfit == (refusal,)


def test_bytes_that_were_overwritten_or_deleted_are_refused_even_when_they_serve():
    for reason in ("DigestMismatch", "FileMissing"):
        assert taken(replace(REFUSAL, reason=reason), active="sha256:22").new


def test_the_newest_twenty_are_remembered_and_those_still_in_the_store_longest():
    entries = [
        {"digest": f"sha256:{n}", "version": f"v{n}", "reason": "LoadFailed"} for n in range(20)
    ]
    found = taken(REFUSAL, entries=entries, listed={"sha256:19"})
    digests = [entry["digest"] for entry in found.entries]
    assert len(digests) == 20
    assert digests[0] == "sha256:22"
    assert "sha256:19" in digests
    assert "sha256:18" not in digests


def test_a_message_that_says_it_all_is_left_as_it_is():
    message = "v2/model.fdm is sha256:33, but sha256:22 was published"
    assert described(replace(REFUSAL, message=message)) == message
    assert described(replace(REFUSAL, message="Sorry.")).endswith("found sha256:33. Sorry.")
