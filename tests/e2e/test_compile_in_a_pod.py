"""The scorer's image compiles model files too, confined, in a pod that may do next to nothing."""

import json

import pytest

from tests.e2e.bed import CLIENT, Bed

pytestmark = pytest.mark.node

SCRIPT = """
import json, os, subprocess, sys
import joblib, numpy
from sklearn.ensemble import RandomForestClassifier

os.chdir(os.environ["TMPDIR"])
rows = numpy.random.default_rng(0).normal(size=(200, 2))
joblib.dump(RandomForestClassifier(5, random_state=0).fit(rows, rows[:, 0] > 0), "m.joblib")
with open("features.json", "w") as file:
    json.dump([{"name": name, "type": "number"} for name in "ab"], file)
sys.exit(subprocess.call(
    ["fraud-scorer", "compile", "m.joblib", "--features=features.json", "--json"]))
"""


def test_a_model_file_is_compiled_without_network(bed: Bed) -> None:
    # The root file system is read-only; what a Job would be given as a volume is here memory.
    said = bed.kubectl(
        *("exec", CLIENT, "--", "env", "TMPDIR=/dev/shm", "python3", "-c", SCRIPT),
    )
    result = json.loads(said)
    assert (result["exactness"], result["trees"]) == ("exact", 5)
    assert result["confinedBy"] == ["limits", "seccomp"]
