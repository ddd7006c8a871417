"""Publishing a trained model: what a training script calls, and `fraud-scorer publish` behind it.

    from fraud_scorer.publishing import publish_model

    publish_model(
        classifier, to="s3://fraud-models/card-payments/", model="card-payments", version="v1",
        features=[Feature(name="amount", type="number", minimum=0), ...],
        golden=rows[:20], reference=rows, created_at=now,
        thresholds=Thresholds(review="0.50", decline="0.90"),
    )

The model is compiled where it was trained, as the libraries that made it are there. Runs nowhere
else: no scorer and no operator imports this.

    publish.py       the steps, from an estimator to a version in the store
    fitted.py        the estimator, as its own library scores it
    compiling.py     the estimator as a compiled model
    rows.py          transactions, held against the features
    probe.py         what the features allow, tried on the compiled model
    parity.py        compiled scores against the library's
    bare.py          a model file that comes alone, described
    invented.py      rows for it, made up
    distribution.py  how values are distributed, in a few numbers
"""

from fraud_scorer.publishing.publish import Published, publish_model
from fraud_scorer.publishing.unfit import UnfitError

__all__ = ["Published", "UnfitError", "publish_model"]
