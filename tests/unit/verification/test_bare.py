"""A model file that somebody copied into the store, and nothing else: described, compiled, proven;
and files that try to do more than that."""

from __future__ import annotations

import os
import socket
import textwrap
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

from fraud_scorer.artifact import manifest as manifests
from fraud_scorer.artifact.digest import sha256_file
from fraud_scorer.artifact.manifest import Manifest
from fraud_scorer.sandbox import Limits, seccomp
from fraud_scorer.verification.refusal import Undecided
from tests.unit.scorer.support import classifier, linear

from .conftest import Way, bare

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not seccomp.available(), reason="no filter for this machine"),
]


def frame() -> tuple[pd.DataFrame, pd.Series]:
    random = np.random.default_rng(0)
    rows = pd.DataFrame(
        {
            "amount": random.lognormal(3, 1, 2000),
            "age": random.uniform(0, 90, 2000),
            "channel": random.choice(["app", "web", "pos"], 2000),
        }
    )
    rows.loc[::9, "age"] = np.nan
    return rows, ((rows.amount > 60) & (rows.channel == "web")).astype(int)


def prepared() -> ColumnTransformer:
    numbers = make_pipeline(SimpleImputer(), StandardScaler())
    return ColumnTransformer(
        [
            ("numbers", numbers, ["amount", "age"]),
            ("channel", OneHotEncoder(handle_unknown="ignore"), ["channel"]),
        ]
    )


def by_frame(estimator: Any) -> Any:
    return make_pipeline(prepared(), estimator).fit(*frame())


def by_type() -> Any:
    rows, fraud = frame()
    rows = rows.astype({"channel": "category"})
    return HistGradientBoostingClassifier(categorical_features="from_dtype").fit(rows, fraud)


def logarithmic() -> Any:
    rows, fraud = frame()
    amounts = rows[["amount"]].to_numpy()
    return make_pipeline(FunctionTransformer(np.log1p), LogisticRegression()).fit(amounts, fraud)


def kept(way: Way, bucket: Path, **rules: Any) -> Manifest:
    verdict = way.all(bare="model.pkl", **rules)
    assert verdict.outcome == "Proven", verdict.message
    assert verdict.manifest is not None
    return manifests.decode((bucket / verdict.manifest.path).read_bytes())


def test_a_manifest_is_written_for_it(way: Way, bucket: Path) -> None:
    path = bare(bucket, classifier())
    then = datetime(2026, 2, 3, 4, 5, 6, tzinfo=UTC)
    os.utime(path, (then.timestamp(), then.timestamp()))
    sha256, size = sha256_file(path)
    verdict = way.all(bare="model.pkl")
    assert (verdict.outcome, verdict.source) == ("Proven", sha256)
    assert verdict.manifest is not None
    found = manifests.decode((bucket / verdict.manifest.path).read_bytes())
    assert (found.model, found.version, found.created_at) == ("card-payments", "v1", then)
    assert found.framework.name == "scikit-learn"
    assert found.thresholds is None
    assert [(one.path, one.role) for one in found.files] == [
        ("model.fdm", "model"),
        ("model.pkl", "source"),
    ]
    assert (found.files[1].sha256, found.files[1].size) == (sha256, size)
    assert [(one.name, one.type, one.nullable) for one in found.features] == [
        ("x0", "number", True),
        ("x1", "number", True),
        ("x2", "category", True),
        ("x3", "category", False),
    ]
    assert found.features[2].categories is None  # handle_unknown="ignore" takes any
    assert found.features[3].categories == ("gold", "iron")


def test_golden_scores_are_those_of_its_own_library(way: Way, bucket: Path) -> None:
    estimator = by_frame(LogisticRegression(max_iter=500))
    bare(bucket, estimator)
    found = kept(way, bucket)
    assert [one.name for one in found.features] == ["amount", "age", "channel"]
    rows = pd.DataFrame([one.features for one in found.golden])
    rows = rows.astype({"amount": float, "age": float})
    theirs = estimator.predict_proba(rows)[:, 1]
    assert [one.score for one in found.golden] == pytest.approx(theirs.tolist(), abs=1e-12)
    spread = [one.score for one in found.golden]
    assert len(spread) == 32
    assert spread[0] < 0.1
    assert spread[-1] > 0.9
    assert len({round(score, 1) for score in spread}) > 5


@pytest.mark.parametrize(
    "make",
    [
        linear,
        lambda: by_frame(RandomForestClassifier(20, n_jobs=-1, random_state=0)),
        by_type,
        logarithmic,
    ],
    ids=["linear", "forest on a frame", "boosting with categories", "logarithm"],
)
def test_models_of_every_kind_are_described(
    way: Way, bucket: Path, make: Callable[[], Any]
) -> None:
    bare(bucket, make())
    found = kept(way, bucket)
    assert len({one.score for one in found.golden}) > 10


def test_a_logarithm_narrows_what_a_feature_may_be(way: Way, bucket: Path) -> None:
    bare(bucket, logarithmic())
    (feature,) = kept(way, bucket).features
    assert (feature.name, feature.minimum, feature.nullable) == ("x0", 0.0, False)


def test_another_scikit_learn_is_named_beside_this_one(way: Way, bucket: Path) -> None:
    path = bare(bucket, linear())
    ours = sklearn.__version__
    theirs = "1.2." + "3" * (len(ours) - 4)  # as long, as a pickle says how long it is
    data = path.read_bytes()
    assert ours.encode() in data
    path.write_bytes(data.replace(ours.encode(), theirs.encode()))
    verdict = way.all(bare="model.pkl")
    assert verdict.reason == "CompileFailed"
    assert f"scikit-learn {theirs}, and this is {ours}" in verdict.message


def test_an_empty_file_and_one_that_is_no_pickle(
    another_way: Callable[[], Way], bucket: Path
) -> None:
    (bucket / "v1").mkdir()
    (bucket / "v1/model.pkl").touch()
    verdict = another_way().all(bare="model.pkl")
    assert (verdict.outcome, verdict.reason) == ("Refused", "LoadFailed")
    (bucket / "v1/model.pkl").write_bytes(b"no pickle")
    verdict = another_way().all(bare="model.pkl")
    assert (verdict.outcome, verdict.reason) == ("Refused", "CompileFailed")
    assert "cannot be loaded" in verdict.message


def test_a_model_without_probabilities(way: Way, bucket: Path) -> None:
    bare(bucket, {"not": "a model"})
    verdict = way.all(bare="model.pkl")
    assert verdict.reason == "CompileFailed"
    assert "no classifier" in verdict.message


class Code:
    """An object whose loading runs something."""

    def __init__(self, text: str) -> None:
        self.text = textwrap.dedent(text)

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return exec, (self.text,)


FORGE = """
    import glob, os, sys
    forged = b'{{"outcome":"Proven","reason":"Proven","version":"v1","source":"{zeros}"}}'
    said = []
    for name in ("verdict.json", "fetched.json", "status.json", "termination-log"):
        for folder in {folders!r}:
            try:
                with open(folder + "/" + name, "wb") as file:
                    file.write(forged)
                said.append("wrote " + name)
            except OSError:
                pass
    for fd in range(0, 200):
        try:
            os.write(fd, b"+" + forged)
        except OSError:
            pass
    raise SystemExit(",".join(said))
"""

COMMAND = """
    import os, subprocess
    for attempt in (
        lambda: os.system("touch {victim}.owned"),
        lambda: subprocess.run(["touch", "{victim}.owned"]),
        lambda: os.execv("/bin/sh", ["sh", "-c", "touch {victim}.owned"]),
        lambda: open("{victim}", "w").write("gone"),
        lambda: os.unlink("{victim}"),
        lambda: __import__("shutil").rmtree(os.path.dirname("{victim}")),
    ):
        try:
            attempt()
        except OSError:
            pass
"""

NETWORK = """
    import socket
    for address in (("127.0.0.1", {port}), ("169.254.169.254", 80)):
        try:
            socket.create_connection(address, timeout=1).send(b"taken")
        except OSError:
            pass
    try:
        import urllib.request
        urllib.request.urlopen("http://127.0.0.1:{port}/", timeout=1)
    except OSError:
        pass
"""

KILL = """
    import os, signal
    for pid in [os.getppid(), os.getpid()]:
        for number in (signal.SIGKILL, signal.SIGTERM, signal.SIGSTOP):
            try:
                os.kill(pid, number)
            except OSError:
                pass
    import ctypes
    ctypes.string_at(0)
"""


def test_a_file_that_forges_the_verdict_is_refused(way: Way, bucket: Path) -> None:
    folders = [str(way.folder.root), str(way.compiled), str(way.root), "/dev"]
    bare(bucket, Code(FORGE.format(zeros="0" * 64, folders=folders)))
    verdict = way.all(bare="model.pkl")
    assert (verdict.outcome, verdict.reason) == ("Refused", "CompileFailed")
    assert "wrote" not in verdict.message
    assert verdict.source == sha256_file(bucket / "v1/model.pkl")[0]
    assert [one.name for one in way.compiled.iterdir()] == ["status.json"]
    assert not (way.folder.root / "verdict.json").exists()


def test_a_file_that_runs_commands_is_refused(way: Way, bucket: Path, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    bare(bucket, Code(COMMAND.format(victim=victim)))
    verdict = way.all(bare="model.pkl")
    assert (verdict.outcome, verdict.reason) == ("Refused", "CompileFailed")
    assert victim.read_text() == "precious"
    assert not (tmp_path / "victim.owned").exists()


def test_a_file_that_tries_the_network_is_refused(way: Way, bucket: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        bare(bucket, Code(NETWORK.format(port=server.getsockname()[1])))
        verdict = way.all(bare="model.pkl")
        with pytest.raises(BlockingIOError):
            server.accept()
    assert (verdict.outcome, verdict.reason) == ("Refused", "CompileFailed")


def test_a_file_that_kills_whom_it_can_is_refused(way: Way, bucket: Path) -> None:
    bare(bucket, Code(KILL))
    verdict = way.all(bare="model.pkl")
    assert (verdict.outcome, verdict.reason) == ("Refused", "CompileFailed")
    assert "SIGSEGV" in verdict.message


class Beside:
    """A model that runs something when it is loaded, and is a good model all the same."""

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        text = "(__import__('os').environ.__setitem__('OWNED', '1'), model)[1]"
        return eval, (text, {"model": linear()})


def test_code_beside_a_good_model_stays_behind(way: Way, bucket: Path) -> None:
    """What such a file can do is to be another model; and a model proves itself like any other."""
    bare(bucket, Beside())
    assert way.all(bare="model.pkl").outcome == "Proven"
    assert "OWNED" not in os.environ


def test_a_zip_bomb_is_refused(way: Way, bucket: Path) -> None:
    path = bare(bucket, linear())
    joblib.dump(np.zeros(1 << 30, dtype=np.uint8), path, compress=1)
    assert path.stat().st_size < 10 << 20
    way.fetch(bare="model.pkl")
    way.compile(Limits(memory_bytes=900 << 20))
    verdict = way.judge()
    assert (verdict.outcome, verdict.reason) == ("Refused", "TooLarge")


def test_a_file_that_wants_more_memory_than_it_may_have_is_too_large(
    way: Way, bucket: Path
) -> None:
    bare(bucket, Code("x = bytearray(64 << 30)"))
    verdict = way.all(bare="model.pkl")
    assert (verdict.outcome, verdict.reason) == ("Refused", "TooLarge")
    assert "spec.model.verification.memory" in verdict.message


def test_a_file_that_computes_for_ever_is_refused(way: Way, bucket: Path) -> None:
    bare(bucket, Code("while True: pass"))
    way.fetch(bare="model.pkl")
    way.compile(Limits(memory_bytes=1 << 30, cpu_seconds=6))
    verdict = way.judge()
    assert (verdict.outcome, verdict.reason) == ("Refused", "CompileFailed")
    assert "6 s of CPU time" in verdict.message


def test_a_file_that_waits_for_ever_is_no_verdict(way: Way, bucket: Path) -> None:
    bare(bucket, Code("import time; time.sleep(1e6)"))
    way.fetch(bare="model.pkl")
    with pytest.raises(Undecided, match="was not done after 4 s"):
        way.compile(Limits(memory_bytes=1 << 30, seconds=4))
    assert list(way.compiled.iterdir()) == []
    with pytest.raises(Undecided, match="no word about it"):
        way.judge()


def test_more_bytes_than_allowed_are_not_kept(way: Way, bucket: Path) -> None:
    bare(bucket, classifier())
    verdict = way.fetch(bare="model.pkl", most=1000)
    assert verdict is not None
    assert (verdict.reason, verdict.source) == ("TooLarge", "")


def test_without_a_filter_of_system_calls_nothing_is_run(
    way: Way, bucket: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(seccomp, "available", lambda: False)
    bare(bucket, Code(f"open({str(tmp_path / 'owned')!r}, 'w')"))
    way.fetch(bare="model.pkl")
    with pytest.raises(Undecided, match="no filter of system calls"):
        way.compile()
    assert not (tmp_path / "owned").exists()
