"""`spec.model`: where versions are published, and which of them is wanted."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field, StringConstraints

from fraud_operator.api.backup import ModelBackup
from fraud_operator.api.fields import Fields, Rule
from fraud_operator.api.quantities import Duration, seconds
from fraud_operator.api.release import Rollback, Rollout, Verification
from fraud_operator.api.stores import ArtifactPlace, ModelSource

# A version is a folder's name in the store and a label's value in the cluster.
_VERSION = r"^([A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?)?$"


class Model(Fields):
    """Which model is served, and where its versions come from."""

    source: ModelSource = Field(
        description="Where model versions are published. Exactly one kind of store."
    )
    artifacts: ArtifactPlace | None = Field(
        None,
        description=(
            "Where proven bytes, reports of verification and the quarantine are kept, if source may"
            " only be read. Exactly one kind of store. Not set: in source, in folders that begin"
            " with a dot."
        ),
    )
    version: Annotated[str, StringConstraints(pattern=_VERSION, max_length=63)] | None = Field(
        None,
        description=("The version to serve. Empty: the newest one that was proven."),
    )
    sync_interval: Duration | None = Field(
        None,
        description=(
            "How often the store is asked for new versions, from 1s to 24h, such as 30s, 5m or 1h."
            " Not set: 30s."
        ),
    )
    verification: Verification = Field(
        Verification(),
        description="How a version is proven before any scorer pod hears of it.",
    )
    rollout: Rollout = Field(Rollout(), description="How a proven version takes over.")
    rollback: Rollback = Field(Rollback(), description="How a version is taken back.")
    backup: ModelBackup | None = Field(
        None,
        description=(
            "What is proven is mirrored to another store, and comes back from there. Not set: there"
            " is no backup."
        ),
    )

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            cel="!has(self.syncInterval) || duration(self.syncInterval) <= duration('24h')",
            message="spec.model.syncInterval must be at most 24h",
            holds=lambda model: (
                model.sync_interval is None or seconds(model.sync_interval) <= 86_400
            ),
        ),
    )
