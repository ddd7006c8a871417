"""Stores, schema and scorers in their order: what is planned of the first two, and for how long the
third wait."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from fraud_operator.plan.conditions import previous
from fraud_operator.plan.effective import Effective
from fraud_operator.plan.stores.pod import StorePart, store_part
from fraud_operator.plan.stores.postgres import Growth
from fraud_operator.plan.stores.resolved import Stores, store_objects, stores
from fraud_operator.plan.stores.retention import retention
from fraud_operator.plan.stores.schema import RETRY_SECONDS, Schema, entity_kinds, schema
from fraud_operator.plan.stores.state import still_binding
from fraud_operator.plan.types import ChildKey, Desired, Inputs

PATIENCE_SECONDS = 600.0
"""For how long the first pods wait for a schema; then they start, and records wait in their spool:
a database that never comes must not keep a detector from answering."""


@dataclass(frozen=True, slots=True)
class PlannedStores:
    """Everything about stores that a detector's plan needs."""

    inputs: Inputs
    image: str
    stores: Stores
    schema: Schema | None
    part: StorePart | None
    deployed: bool

    @property
    def holds_pods(self) -> bool:
        """Whether the scorers' template waits: those that are there go on as they are, and the
        first are not made yet."""
        if self.schema is None or self.schema.is_up_to_date:
            return False
        return self.deployed or self._patience > 0

    @property
    def requeue_after(self) -> float | None:
        """Seconds until time alone changes something."""
        waits = []
        if self.schema is not None and not self.schema.is_up_to_date:
            if not self.deployed and self._patience > 0:
                waits.append(self._patience)
            if self.schema.state == "Failed":
                waits.append(RETRY_SECONDS)
        managed = self.stores.postgres
        if managed is not None and (binding := still_binding(managed.workload, self.inputs)):
            waits.append(binding)
        return min(waits, default=None)

    @property
    def growth(self) -> Growth | None:
        """A claim that is to be larger."""
        managed = self.stores.postgres
        return managed.growth if managed is not None and not managed.refused else None

    def objects(self) -> Iterator[Desired]:
        """What is to be there of it."""
        yield from store_objects(self.stores, self.inputs)
        if self.schema is not None and self.schema.made is not None:
            yield Desired(self.schema.made, component="schema", phase=1, once=True)
        detector, how = self.stores.detector, self.stores.recording
        for one in retention(detector, how, self.image, self.inputs.defaults):
            yield Desired(one, component="retention", phase=0)

    def kept(self) -> Iterator[ChildKey]:
        """What stays as it is."""
        if self.schema is not None and self.schema.stays:
            yield ("Job", self.schema.name)

    @property
    def _patience(self) -> float:
        was = previous(self.inputs.detector.status.get("conditions", ())).get("SchemaReady")
        if was is None or was["status"] == "True":
            return PATIENCE_SECONDS
        since = datetime.fromisoformat(was["lastTransitionTime"])
        return PATIENCE_SECONDS - (self.inputs.now - since).total_seconds()


def schema_job(inputs: Inputs, image: str) -> str:
    """Name of the Job that brings the schema up to date; empty where there is no Postgres."""
    found = schema(inputs, image, entity_kinds(inputs), reachable=False)
    return found.name if found is not None else ""


def planned_stores(
    inputs: Inputs, sizes: Effective, image: str, *, deployed: bool
) -> PlannedStores:
    """`image` is the scorer's; `deployed`: whether there are scorer pods already."""
    found = stores(inputs, sizes)
    up = found.postgres is None or found.postgres.state.ready
    reachable = up and not inputs.observed.problems
    return PlannedStores(
        inputs=inputs,
        image=image,
        stores=found,
        schema=schema(inputs, image, entity_kinds(inputs), reachable=reachable),
        part=store_part(found),
        deployed=deployed,
    )
