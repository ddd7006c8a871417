"""The routes about records as OpenAPI tells of them."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from fraud_scorer.http.asgi import JSON
from fraud_scorer.http.batch import NDJSON
from fraud_scorer.http.limits import Limits
from fraud_scorer.http.operations import Schema, content, operation, ref
from fraud_scorer.http.records.lists import Listed
from fraud_scorer.http.records.transactions import MOST_HOURS
from fraud_scorer.http.records.users import UserFeatures
from fraud_scorer.ledger import lookups
from fraud_scorer.ledger.labels import Added, Label
from fraud_scorer.ledger.lists import Taken, Word
from fraud_scorer.ledger.lookups import Known

_TYPES = (Label, Added, Known, UserFeatures)
_TYPES_OF_LISTS = (Word, Taken, Listed)
_LISTS = "/v1/lists"

_AWAY = "The records' database cannot be used now, or too many ask; see Retry-After."
_QUESTION = "The question is not one that this path answers."
_LOOKED = ("400", "404", "431", "500", "503")
_SENT = ("400", "408", "409", "413", "415", "422", "431", "500", "503")
_TEXT: Schema = {"type": "string"}
_TIME: Schema = {"type": "string", "format": "date-time"}


def types(served: Collection[str]) -> tuple[type, ...]:
    """What goes to and comes from those of the paths that are served."""
    if not served:
        return ()
    return _TYPES + (_TYPES_OF_LISTS if _LISTS in served else ())


def paths(limits: Limits, served: Collection[str]) -> dict[str, Any]:
    """Those of the paths that are served."""
    described = {
        "/v1/labels": {"post": _labels(limits)},
        "/v1/transactions/{id}": {"get": _transaction()},
        "/v1/users/{id}/features": {"get": _user()},
        _LISTS: {"get": _lists(), "post": _words(limits)},
    }
    return {path: methods for path, methods in described.items() if path in served}


def _labels(limits: Limits) -> dict[str, Any]:
    described = operation(
        "add_labels",
        "What turned out to be true of transactions: all of a request is recorded, or nothing",
        content(ref("Added")),
        body=_bodies("Label", limits, _LABEL),
        problems=_SENT,
        said={
            "409": "The Idempotency-Key came with another body before.",
            "503": f"{_AWAY} Nothing that is not recorded is acknowledged.",
        },
    )
    return {"parameters": [_key()], **described}


def _transaction() -> dict[str, Any]:
    described = operation(
        "transaction",
        "Everything known about a transaction; the look is logged",
        content(ref("Known")),
        problems=_LOOKED,
        said={"400": _QUESTION, "404": "Nothing is known of it.", "503": _AWAY},
    )
    hours = {"type": "integer", "minimum": 1, "maximum": MOST_HOURS, "default": 24}
    about = [
        _in_path("id", "The caller's own id of the transaction.", "tx-1"),
        _in_query("around", "Look into the archive, too: about when it was answered.", _TIME),
        _in_query("within_hours", "How far from `around`, to both sides.", hours),
    ]
    return {"parameters": about, **described}


def _user() -> dict[str, Any]:
    described = operation(
        "user_features",
        "A user's transactions and the features kept of the user; the look is logged",
        content(ref("UserFeatures")),
        problems=tuple(status for status in _LOOKED if status != "404"),
        said={"400": _QUESTION, "503": _AWAY},
    )
    limit = {"type": "integer", "minimum": 1, "maximum": lookups.MOST, "default": 100}
    about = [
        _in_path("id", "The id of the customer.", "c-17"),
        _in_query("before", "Transactions that happened before then only.", _TIME),
        _in_query("after", "What follows the page that gave this as next_after.", _TEXT),
        _in_query("limit", "Transactions at the most.", limit),
    ]
    return {"parameters": about, **described}


def _lists() -> dict[str, Any]:
    described = operation(
        "lists",
        "Who is on the allow and deny lists; the look is logged",
        content(ref("Listed")),
        problems=("400", "431", "500", "503"),
        said={"400": _QUESTION, "503": _AWAY},
    )
    flag, count = {"type": "boolean", "default": False}, {"type": "integer", "minimum": 1}
    about = [
        _in_query("list", "That list only.", {"type": "string", "enum": ["allow", "deny"]}),
        _in_query("kind", "That kind of entity only.", {"type": "string"}),
        _in_query("id", "That entity only.", {"type": "string"}),
        _in_query("history", "All words, and not only those that hold now.", flag),
        _in_query("after", "What follows the word with that number.", count | {"minimum": 0}),
        _in_query("limit", "Words at the most.", count | {"maximum": lookups.MOST}),
    ]
    return {"parameters": about, **described}


def _words(limits: Limits) -> dict[str, Any]:
    described = operation(
        "change_lists",
        "Put entities on lists and take them off: all of a request is recorded, or nothing",
        content(ref("Taken")),
        body=_bodies("Word", limits, _WORD),
        problems=_SENT,
        said={"409": "The Idempotency-Key came with another body before.", "503": _AWAY},
    )
    return {"parameters": [_key()], **described}


_WORD = {
    "list": "deny", "action": "add", "kind": "customer", "id": "c-17", "reason": "stolen card",
    "expires_at": "2030-01-05T10:00:00Z",
}  # fmt: skip
_LABEL = {
    "transaction_id": "tx-1",
    "label": "chargeback",
    "event_time": "2026-01-05T10:00:00Z",
    "observed_at": "2026-02-03T09:00:00Z",
    "source": "visa",
}


def _bodies(name: str, limits: Limits, example: dict[str, Any]) -> dict[str, Any]:
    """One, an array, or a line each."""
    many: Schema = {"type": "array", "maxItems": limits.batch_items, "items": ref(name)}
    return content({"anyOf": [ref(name), many]}, JSON, example=example) | content(
        {"description": f"A {name} a line; empty lines do not count."}, NDJSON
    )


def _key() -> dict[str, Any]:
    return {
        "name": "Idempotency-Key", "in": "header", "required": False,
        "description": "Chosen by the caller, for this request alone: sent again with the same key,"
        " it has its effect once and the same answer, for a week.",
        "schema": {"type": "string", "pattern": "^[!-~]{1,255}$"},
    }  # fmt: skip


def _in_path(name: str, description: str, example: str) -> dict[str, Any]:
    schema = {"type": "string", "minLength": 1}
    return {
        "name": name, "in": "path", "required": True, "description": description,
        "schema": schema, "example": example,
    }  # fmt: skip


def _in_query(name: str, description: str, schema: Schema) -> dict[str, Any]:
    return {"name": name, "in": "query", "description": description, "schema": schema}
