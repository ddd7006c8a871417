"""Secrets are read by name; of what is in them nothing is kept."""

import base64

from fraud_operator.observe.secrets import Secrets
from fraud_operator.runtime.kinds import SECRET
from tests.support.kube import FakeKube


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


class Counting(FakeKube):
    reads = 0

    async def get(self, kind, namespace, name):  # type: ignore[no-untyped-def]
        self.reads += 1
        return await super().get(kind, namespace, name)


def secret(**data: str) -> dict[str, object]:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "model-store", "namespace": "fraud"},
        "data": {key: base64.b64encode(value.encode()).decode() for key, value in data.items()},
    }


async def test_a_present_secret_is_read_once_in_half_a_minute() -> None:
    kube, clock = Counting(), Clock()
    secrets = Secrets(kube, clock=clock)
    kube.put(secret(a="1"))
    for _ in range(5):
        assert await secrets.keys("fraud", "model-store") == {"a"}
    assert kube.reads == 1
    assert "1" not in str(secrets._known)
    clock.now = 31
    kube.put(secret(b="1"))
    assert await secrets.keys("fraud", "model-store") == {"b"}


async def test_a_missing_secret_is_looked_for_each_time() -> None:
    kube = Counting()
    secrets = Secrets(kube)
    assert await secrets.keys("fraud", "model-store") is None
    kube.put(secret(a="1"))
    assert await secrets.keys("fraud", "model-store") == {"a"}
    kube.remove(SECRET, "fraud", "model-store")
    assert await secrets.values("fraud", "model-store") is None


async def test_values_are_read_anew_and_binary_ones_left_out() -> None:
    kube = Counting()
    secrets = Secrets(kube)
    obj = secret(a="one")
    obj["data"]["raw"] = base64.b64encode(b"\xff\xfe").decode()  # type: ignore[index]
    kube.put(obj)
    assert await secrets.values("fraud", "model-store") == {"a": "one"}
    kube.put(secret(a="two"))
    assert await secrets.values("fraud", "model-store") == {"a": "two"}
