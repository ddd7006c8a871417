"""Which scorer image a detector runs: the spec's, or the operator's default of its first day.

The default is pinned when the detector is first seen, so that an upgrade of the operator restarts
no pod. The pin is kept on the Deployment; status holds a copy, in case the Deployment is deleted.
"""

from __future__ import annotations

from dataclasses import dataclass

from fraud_operator.api.frauddetector import FraudDetector
from fraud_operator.plan.types import Manifested, OperatorDefaults

PINNED_ANNOTATION = "fraudops.io/scorer-image-pinned"


@dataclass(frozen=True, slots=True)
class Image:
    """`pinned` is the same as `name` where the spec names no image, else empty."""

    name: str
    pinned: str


def scorer_image(
    detector: FraudDetector, deployment: Manifested | None, defaults: OperatorDefaults
) -> Image:
    """The image to run. An image that is taken out of the spec gives way to today's default."""
    if detector.spec.scorer.image:
        return Image(detector.spec.scorer.image, pinned="")
    pinned = (
        (deployment or {}).get("metadata", {}).get("annotations", {}).get(PINNED_ANNOTATION)
        or detector.status.get("scorer", {}).get("pinnedImage")
        or defaults.scorer_image
    )
    return Image(pinned, pinned)
