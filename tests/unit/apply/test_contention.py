"""A rival is given three reverts in five minutes, and then left alone for a while."""

from fraud_operator.apply.contention import Contention
from fraud_operator.observe.store import Key

KEY = Key("fraud", "cards")
CHILD = ("Deployment", "cards-scorer")


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_three_reverts_in_five_minutes_are_enough() -> None:
    clock = Clock()
    contention = Contention(clock=clock)
    for _ in range(3):
        assert contention.rival(KEY, *CHILD, ["argocd"]) is None
        contention.reverted(KEY, *CHILD, ["argocd"])
        clock.now += 10
    rival = contention.rival(KEY, *CHILD, ["kubectl", "argocd"])
    assert rival is not None
    assert (rival.manager, rival.again_after) == ("argocd", 270)
    clock.now += 270
    assert contention.rival(KEY, *CHILD, ["argocd"]) is None


def test_slow_or_different_changes_are_no_fight() -> None:
    clock = Clock()
    contention = Contention(clock=clock)
    for _ in range(10):
        contention.reverted(KEY, *CHILD, ["somebody"])
        clock.now += 101
    assert contention.rival(KEY, *CHILD, ["somebody"]) is None
    for manager in "abc":
        contention.reverted(KEY, *CHILD, [manager])
    assert contention.rival(KEY, *CHILD, list("abc")) is None
    for name in "xyz":
        contention.reverted(KEY, "Service", name, ["a"])
    assert contention.rival(KEY, "Service", "x", ["a"]) is None


def test_a_deleted_detector_is_forgotten() -> None:
    contention = Contention(clock=Clock())
    for _ in range(3):
        contention.reverted(KEY, *CHILD, ["a"])
    contention.forget(KEY)
    assert contention.rival(KEY, *CHILD, ["a"]) is None
