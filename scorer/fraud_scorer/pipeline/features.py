"""Stage three: the model's inputs, in its order, out of what the request brought.

The manifest says what each feature may be. A feature that is missing, unknown or not as declared is
a problem: nothing is guessed, dropped or filled in. Features kept in windows will come in here.
"""

from __future__ import annotations

from fraud_scorer.artifact.manifest import Manifest, value_problem
from fraud_scorer.model.protocol import Row
from fraud_scorer.pipeline.envelope import ScoreRequest
from fraud_scorer.problem import INVALID, Problem, field_error


def features(request: ScoreRequest, manifest: Manifest) -> Row:
    """The row to be scored. Raises Problem, naming every feature at fault."""
    given = request.features
    errors = []
    row = []
    for feature in manifest.features:
        if feature.name not in given:
            errors.append(field_error(["features", feature.name], "is missing"))
            continue
        value = given[feature.name]
        row.append(value)
        if problem := value_problem(feature, value):
            errors.append(field_error(["features", feature.name], problem))
    if len(given) != len(row):
        known = {feature.name for feature in manifest.features}
        errors += [
            field_error(["features", name], f"is not a feature of model {manifest.model}")
            for name in given
            if name not in known
        ]
    if errors:
        count = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
        raise Problem(INVALID, f"{errors[0].pointer} {errors[0].detail}{count}", errors)
    return row
