"""`spec.audit`: how answers are recorded, and for how long that is kept where."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, StringConstraints

from fraud_operator.api.fields import Fields, Rule
from fraud_operator.api.quantities import Memory, Period, bytes_of, cel_bytes, cel_days, days
from fraud_operator.api.stores import Place, one_kind

Durability = Literal["Spooled", "Committed", "Async"]
WhenFull = Literal["Block", "Degrade"]

SMALLEST_SPOOL = 64 << 20
_KIND = r"^[a-z][a-z0-9_]*$"


class AuditPlace(Place):
    """Where sealed records are archived."""

    rules: ClassVar[tuple[Rule, ...]] = (one_kind("spec.audit.destination"),)


class Audit(Fields):
    """How answers are recorded. `{}` takes all defaults."""

    hot: Period | None = Field(
        None,
        description=(
            "For how long records stay in Postgres, in days (90d) or years (1y), once they are"
            " sealed in the destination. Whole months go. Not set: 90d."
        ),
    )
    retention: Period | None = Field(
        None,
        description=(
            "For how long sealed records must stay in the destination, in days or years. Nothing"
            " is deleted there by us, before or after: hold the bucket to it by Object Lock, and"
            " have a lifecycle rule of it delete what is older. Not set: 7y."
        ),
    )
    durability: Durability | None = Field(
        None,
        description=(
            "When an answer is sent. Spooled: once it is in the kernel's memory, so that the loss"
            " of a node costs 100 ms at the most. Committed: once it is on the node's disk. Async:"
            " at once. Not set: Spooled."
        ),
    )
    when_full: WhenFull | None = Field(
        None,
        description=(
            "What happens when a pod's spool is full. Block: requests are refused with 503."
            " Degrade: they are answered, and it is recorded later how many answers are missing."
            " Not set: Block."
        ),
    )
    spool: Memory | None = Field(
        None,
        description=(
            "Room on the node's disk for records that wait in a pod, at least 64Mi. Not set: 1Gi."
        ),
    )
    destination: AuditPlace | None = Field(
        None,
        description=(
            "Where sealed segments of records are kept for years, and where records wait while"
            " Postgres is away. Exactly one kind; this detector's alone: give it a prefix of its"
            " own. Not set: records are in Postgres only, and stay there."
        ),
    )
    subject: Annotated[str, StringConstraints(pattern=_KIND, max_length=40)] | None = Field(
        None,
        description=(
            "Kind of entity that is a person, whose data can be erased. Not set: customer."
        ),
    )

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            cel=f"!has(self.spool) || {cel_bytes('self.spool')} >= {SMALLEST_SPOOL}.0",
            message="spec.audit.spool must be at least 64Mi",
            holds=lambda audit: audit.spool is None or bytes_of(audit.spool) >= SMALLEST_SPOOL,
        ),
        Rule(
            cel="!(has(self.hot) || has(self.retention)) || has(self.destination)",
            message=(
                "spec.audit.hot and retention need spec.audit.destination: without one, records"
                " stay in Postgres"
            ),
            holds=lambda audit: (
                (audit.hot is None and audit.retention is None) or audit.destination is not None
            ),
        ),
        Rule(
            cel=(
                "!(has(self.hot) && has(self.retention))"
                f" || {cel_days('self.hot')} <= {cel_days('self.retention')}"
            ),
            message="spec.audit.hot must not be longer than spec.audit.retention",
            holds=lambda audit: (
                audit.hot is None
                or audit.retention is None
                or days(audit.hot) <= days(audit.retention)
            ),
        ),
    )
