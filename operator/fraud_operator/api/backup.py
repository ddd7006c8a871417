"""`spec.model.backup`: the second home of a detector's models."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field, StringConstraints

from fraud_operator.api.fields import Fields, Rule
from fraud_operator.api.stores import Place, one_kind

_FIELD = r"[0-9A-Za-z*/,-]+"
_CRON = rf"^(@(yearly|annually|monthly|weekly|daily|midnight|hourly)|{_FIELD}( +{_FIELD}){{4}})$"
_TIME_ZONE = r"^[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+)*$"

Cron = Annotated[str, StringConstraints(pattern=_CRON, max_length=128)]
Days = Annotated[int, Field(ge=1, le=3650)]


class BackupPlace(Place):
    """Where the backup is."""

    rules: ClassVar[tuple[Rule, ...]] = (one_kind("spec.model.backup.destination"),)


class ModelBackup(Fields):
    """What is proven is mirrored to another store, and comes back from there."""

    destination: BackupPlace = Field(
        description=(
            "The other store, of any kind: another bucket, at another provider best. Exactly one"
            " kind. It is laid out like a model store, and this detector's alone: give it a prefix"
            " of its own."
        )
    )
    schedule: Cron | None = Field(
        None,
        description=(
            "When to back up, as cron has it: minute, hour, day of month, month, day of week."
            ' Not set: "0 3 * * *".'
        ),
    )
    heal_schedule: Cron | None = Field(
        None,
        description=(
            "When to read what pods fetch from their store, and restore what is damaged or missing"
            ' there. Not set: "17 * * * *", once an hour.'
        ),
    )
    time_zone: Annotated[str, StringConstraints(pattern=_TIME_ZONE, max_length=64)] | None = Field(
        None,
        description=(
            "Time zone of both schedules, such as Europe/Berlin. Not set: that of the cluster's"
            " controller manager, mostly UTC."
        ),
    )
    retention_days: Days | None = Field(
        None,
        description=(
            "For how many days a version stays in the backup after pods were told to hold it last."
            " The active version and the last known good one always stay. Not set: 30."
        ),
    )
