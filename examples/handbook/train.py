"""Train a model on the simulated transactions, compare it with the published one, and publish it.

    python -m examples.handbook.train --model forest --features kept --version v1 \\
        --to s3://fraud-models/card-payments/ --endpoint http://127.0.0.1:7070

Keys come from where the AWS SDK looks (AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, a profile). A
path instead of an s3:// URL publishes into that folder; without --to nothing is published. The same
seed gives the same model, bit for bit.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from examples.handbook import dataset
from examples.handbook.dataset import Dataset
from examples.handbook.inputs import INPUTS
from examples.handbook.publication import Estimator, Trained, probabilities, publish, thresholds
from examples.handbook.split import split
from fraud_scorer.artifact.credentials import AmbientIdentity
from fraud_scorer.artifact.directory import DirectoryStore
from fraud_scorer.artifact.manifest import ManifestError, check_version
from fraud_scorer.artifact.plan import s3_location
from fraud_scorer.artifact.s3 import S3Store
from fraud_scorer.artifact.store import Store, StoreError
from fraud_scorer.publishing import UnfitError

PUBLISHED = {"logistic": (0.871, 0.606), "forest": (0.867, 0.658)}
"""Area under the ROC curve and average precision that the handbook reports."""
SCENARIOS = {1: "amount", 2: "terminal", 3: "stolen card"}


@dataclass(frozen=True, slots=True)
class Recipe:
    """What is trained. `depth` None lets the trees grow to the end, as the handbook does;
    `features` is a name of INPUTS."""

    model: str
    features: str = "sent"
    seed: int = 0
    trees: int = 100
    depth: int | None = None

    def estimator(self) -> Estimator:
        """The model before it has learned anything."""
        if self.model == "logistic":
            # The tolerance: scikit-learn divides the loss by the number of rows since the handbook
            # was written, and with its default would stop earlier than the published model did.
            regression = LogisticRegression(random_state=self.seed, tol=1e-6, max_iter=1000)
            pipeline: Estimator = make_pipeline(StandardScaler(), regression)
            return pipeline
        forest: Estimator = RandomForestClassifier(
            self.trees, max_depth=self.depth, random_state=self.seed, n_jobs=-1
        )
        return forest

    @property
    def is_published(self) -> bool:
        """Whether the handbook trained the same model."""
        forest = (self.trees, self.depth)
        return self.features == "sent" and (self.model == "logistic" or forest == (100, None))


def train(data: Dataset, recipe: Recipe) -> Trained:
    """The model learned from the week of training, with everything that describes it."""
    weeks = split(data.transactions)
    fraud, scenario = data.transactions.fraud, data.transactions.scenario[weeks.test]
    inputs = INPUTS[recipe.features]
    rows = inputs.rows(data)
    estimator = recipe.estimator()
    estimator.fit(rows(weeks.training), fraud[weeks.training])
    if recipe.model == "forest":
        estimator.set_params(n_jobs=1)  # threads cost more than they bring for one transaction

    unlabelled, test = rows(weeks.delay), rows(weeks.test)
    bounds = thresholds(probabilities(estimator, unlabelled))
    scores = probabilities(estimator, test)
    caught = scores >= float(bounds.review)
    return Trained(
        estimator=estimator,
        inputs=inputs,
        thresholds=bounds,
        unlabelled=unlabelled,
        test=test,
        fraud=fraud[weeks.test],
        metrics={
            "auc": float(roc_auc_score(fraud[weeks.test], scores)),
            "averagePrecision": float(average_precision_score(fraud[weeks.test], scores)),
            "trainingTransactions": float(weeks.training.sum()),
            "trainingFrauds": float((weeks.training & fraud).sum()),
            "testTransactions": float(weeks.test.sum()),
            "testFrauds": float((weeks.test & fraud).sum()),
            "falseAlarms": float((caught & (scenario == 0)).sum()),
            **{f"fraudsScenario{one}": float((scenario == one).sum()) for one in SCENARIOS},
            **{
                f"caughtScenario{one}": float((caught & (scenario == one)).sum())
                for one in SCENARIOS
            },
        },
    )


def compared(trained: Trained, recipe: Recipe) -> str:
    """The model's results beside the published ones, as a table."""
    metrics = trained.metrics
    auc, precision = PUBLISHED[recipe.model]
    lines = [
        f"{'':24}{'here':>8}{'published':>11}",
        f"{'AUC':24}{metrics['auc']:8.3f}{auc:11.3f}",
        f"{'average precision':24}{metrics['averagePrecision']:8.3f}{precision:11.3f}",
        f"{'frauds caught':24}{caught_by_scenario(metrics)}",
        f"trained on {metrics['trainingTransactions']:,.0f} transactions"
        f" ({metrics['trainingFrauds']:,.0f} frauds), judged by"
        f" {metrics['testTransactions']:,.0f} ({metrics['testFrauds']:,.0f})",
    ]
    if not recipe.is_published:
        lines.append(
            "The published one has all features sent, a forest 100 trees of any depth;"
            " this one differs."
        )
    return "\n".join(lines)


def caught_by_scenario(metrics: Mapping[str, float]) -> str:
    """Of the test week's frauds, those that the thresholds review or decline, by scenario."""
    each = [
        f"{metrics[f'caughtScenario{one}']:.0f} of {metrics[f'fraudsScenario{one}']:.0f} by {name}"
        for one, name in SCENARIOS.items()
    ]
    return f"{', '.join(each)}; {metrics['falseAlarms']:.0f} false alarms"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    options = _options(arguments)
    recipe = Recipe(options.model, options.features, options.seed, options.trees, options.depth)
    store = None
    try:
        check_version(options.version)
        if options.to:
            store = _store(options)
    except (ManifestError, StoreError, ValueError) as error:
        return _failed(error)

    since = time.monotonic()
    data = dataset.load()
    print(f"data: {len(data.transactions):,} transactions, {time.monotonic() - since:.1f} s")
    since = time.monotonic()
    trained = train(data, recipe)
    print(f"{recipe.model}: trained and judged in {time.monotonic() - since:.1f} s")
    print(compared(trained, recipe))
    if store is None:
        return 0
    try:
        done = publish(store, trained, name=options.name, version=options.version)
    except (ManifestError, StoreError, UnfitError) as error:
        return _failed(error)
    print(f"published version {options.version} to {options.to}: {done.digest}")
    print(f"compiled: scores are {done.exactness}, {done.worst_difference:.1g} off at the most")
    return 0


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m examples.handbook.train",
        description="Train a fraud model on simulated transactions and publish it.",
    )
    parser.add_argument("--model", choices=sorted(PUBLISHED), default="logistic")
    parser.add_argument(
        "--features", choices=sorted(INPUTS), default="sent",
        help="all sent with the request; those of customers and terminals kept by the scorer; or"
        " none of these",
    )  # fmt: skip
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--trees", type=int, default=100, help="of the forest")
    parser.add_argument("--depth", type=int, help="of its trees; default: to the end")
    parser.add_argument("--to", help="s3://BUCKET/PREFIX or a folder; default: publish nothing")
    parser.add_argument("--endpoint", default="", help="of the S3 API; default: AWS")
    parser.add_argument("--region", default="us-east-1")
    parser.add_argument("--name", default="card-payments", help="the model's name")
    parser.add_argument("--version", default="v1")
    return parser.parse_args(arguments)


def _store(options: argparse.Namespace) -> Store:
    if "://" in options.to:
        location = s3_location(options.to, region=options.region, endpoint=options.endpoint)
        return S3Store(location, AmbientIdentity())
    if options.endpoint:
        raise ValueError(f"--to {options.to} is a folder, which has no --endpoint")
    return DirectoryStore(Path(options.to))


def _failed(error: Exception) -> int:
    print(f"error: {error}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
