"""The servers that are measured: how each is prepared, started and asked. One core, one worker.

Each is set up as its documentation says for production: no access log, no reload, one thread a
model. Where a server has batching of its own it comes twice, with and without.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench import models
from bench.scorer.material import NAME, VERSION, Material

APPS = Path(__file__).with_name("apps")
Transaction = Mapping[str, Any]
_MANY, _TOGETHER_SECONDS = 64, 0.005


@dataclass(frozen=True)
class Place:
    """Where one server is to run."""

    material: Material
    commands: Path
    """The folder with its environment's commands."""
    scratch: Path
    ports: Sequence[int]
    """Three; it is asked at the first."""
    thresholds: str = ""
    """In place of the model's own; for ours only."""

    @property
    def port(self) -> int:
        return self.ports[0]

    @property
    def folder(self) -> str:
        return str(self.material.folder)

    @property
    def python(self) -> str:
        return str(self.commands / "python")

    def command(self, name: str) -> str:
        return str(self.commands / name)


@dataclass(frozen=True)
class Server:
    """One server. `body` is what it is sent for a transaction, `score` the score in its answer."""

    key: str
    title: str
    start: Callable[[Place], list[str]]
    path: str
    body: Callable[[Transaction], Any]
    score: Callable[[Any], float]
    environment: str = ""
    """Of bench.scorer.environments; empty: this one."""
    ready: str = ""
    """A path that answers 200 once it can be asked; empty: that it answers a transaction."""
    prepare: Callable[[Place], list[str]] | None = None
    variables: Callable[[Place], dict[str, str]] = field(default=lambda _: {})
    batched: bool = False
    scikit_learn: bool = False
    """Runs the model by scikit-learn."""


def _whole(transaction: Transaction) -> Any:
    return transaction


def _scored(answer: Any) -> float:
    return float(answer["score"])


def _row(transaction: Transaction) -> list[float]:
    return [transaction["features"][name] for name in models.NAMES]


def _app(program: str, *more: str) -> Callable[[Place], list[str]]:
    def command(place: Place) -> list[str]:
        return [place.python, str(APPS / program), place.folder, str(place.port), *more]

    return command


def _preparing(program: str) -> Callable[[Place], list[str]]:
    return lambda place: [place.python, str(APPS / program), place.folder]


def _ours(place: Place) -> list[str]:
    command = [place.command("fraud-scorer"), "serve"]
    command += [str(place.material.version), "--listen", f"127.0.0.1:{place.port}"]
    command += ["--management", f"127.0.0.1:{place.ports[1]}", "--log-level", "warning"]
    command.append("--data=none")  # what is measured is the engine and its server
    return command + (["--thresholds", place.thresholds] if place.thresholds else [])


OURS = Server("fraudops", "fraud-scorer", _ours, "/v1/score", _whole, _scored)


def _yardstick(place: Place) -> list[str]:
    one = place.material
    command = [str(place.scratch / "yardstick"), str(place.port), str(one.compiled)]
    command += [one.thresholds.review, one.thresholds.decline, NAME, VERSION, one.digest]
    return command + list(models.NAMES)


YARDSTICK = Server("yardstick", "C epoll server", _yardstick, "/v1/score", _whole, _scored)
LOOPBACK = Server("loopback", "two bytes, unread", _yardstick, "/", _whole, lambda _: 0.0)
"""The same server, asked for what costs it nothing."""


def _mlserver(batch: int) -> Callable[[Place], list[str]]:
    def command(place: Place) -> list[str]:
        folder = place.scratch / f"mlserver-{batch}"
        folder.mkdir(exist_ok=True)
        settings = {
            "host": "127.0.0.1",
            "http_port": place.port,
            "grpc_port": place.ports[1],
            "metrics_port": place.ports[2],
            "parallel_workers": 0,  # the model in the server's own process: faster on one core
            "debug": False,
        }
        model: dict[str, Any] = {
            "name": "model",
            "implementation": "mlserver_sklearn.SKLearnModel",
            "parameters": {"uri": str(place.material.trained)},
        }
        if batch > 1:
            model |= {"max_batch_size": batch, "max_batch_time": _TOGETHER_SECONDS}
        (folder / "settings.json").write_text(json.dumps(settings))
        (folder / "model-settings.json").write_text(json.dumps(model))
        return [place.command("mlserver"), "start", str(folder)]

    return command


def _tensor(transaction: Transaction) -> Any:
    row = _row(transaction)
    given = {"name": "rows", "shape": [1, len(row)], "datatype": "FP64", "data": row}
    return {"inputs": [given], "outputs": [{"name": "predict_proba"}]}


def _bentoml(place: Place) -> list[str]:
    command = [place.command("bentoml"), "serve", "bentoml_app:Score", "--working-dir", str(APPS)]
    return [*command, "--host", "127.0.0.1", "--port", str(place.port)]


def _bentoml_variables(place: Place) -> dict[str, str]:
    home = str(place.scratch / "bentoml")
    return {"FOLDER": place.folder, "BENTOML_DO_NOT_TRACK": "True", "BENTOML_HOME": home}


def _mlflow(place: Place) -> list[str]:
    command = [place.command("mlflow"), "models", "serve", "--model-uri", f"{place.folder}/mlflow"]
    command += ["--env-manager", "local", "--workers", "1", "--timeout", "60"]
    return [*command, "--host", "127.0.0.1", "--port", str(place.port)]


PEERS = (
    Server(
        "fastapi-sklearn",
        "FastAPI + scikit-learn",
        _app("fastapi_app.py", "sklearn"),
        "/score",
        _whole,
        _scored,
        environment="fastapi_sklearn",
        ready="/health",
        scikit_learn=True,
    ),
    Server(
        "fastapi-onnxruntime",
        "FastAPI + onnxruntime",
        _app("fastapi_app.py", "onnxruntime"),
        "/score",
        _whole,
        _scored,
        environment="fastapi_onnxruntime",
        ready="/health",
        prepare=_preparing("convert_onnx.py"),
    ),
    *(
        Server(
            "mlserver-batching" if batch > 1 else "mlserver",
            "MLServer, batching" if batch > 1 else "MLServer",
            _mlserver(batch),
            "/v2/models/model/infer",
            _tensor,
            lambda answer: float(answer["outputs"][0]["data"][1]),
            environment="mlserver",
            ready="/v2/models/model/ready",
            batched=batch > 1,
            scikit_learn=True,
        )
        for batch in (1, _MANY)
    ),
    Server(
        "bentoml",
        "BentoML",
        _bentoml,
        "/one",
        lambda transaction: {"features": transaction["features"]},
        _scored,
        environment="bentoml",
        ready="/readyz",
        variables=_bentoml_variables,
        scikit_learn=True,
    ),
    Server(
        "bentoml-batching",
        "BentoML, batching",
        _bentoml,
        "/many",
        lambda transaction: {"rows": [transaction["features"]]},
        lambda answer: float(answer[0]),
        environment="bentoml",
        ready="/readyz",
        variables=_bentoml_variables,
        batched=True,
        scikit_learn=True,
    ),
    *(
        Server(
            "litserve-batching" if batch > 1 else "litserve",
            "LitServe, batching" if batch > 1 else "LitServe",
            _app("litserve_app.py", str(batch)),
            "/predict",
            lambda transaction: {"features": transaction["features"]},
            _scored,
            environment="litserve",
            ready="/health",
            batched=batch > 1,
            scikit_learn=True,
        )
        for batch in (1, _MANY)
    ),
    Server(
        "mlflow",
        "mlflow",
        _mlflow,
        "/invocations",
        lambda transaction: {"inputs": [_row(transaction)]},
        lambda answer: float(answer["predictions"][0][1]),
        environment="mlflow",
        ready="/ping",
        prepare=_preparing("save_mlflow.py"),
        variables=lambda _: {"MLFLOW_DISABLE_TELEMETRY": "true"},
        scikit_learn=True,
    ),
)
QUICK_PEERS = ("fastapi-sklearn", "fastapi-onnxruntime")
