"""Allow and deny lists, as a serving process holds them: who is listed, answered without I/O.

An entity is a kind and an id (customer c-17). Of each list and entity the latest word holds: an
entry, until it expires, or that it was removed. Deny beats allow. Where the words come from is
`list_entries`' concern.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

ListName = Literal["allow", "deny"]

_NOT = -math.inf
_FOR_EVER = math.inf


@dataclass(frozen=True, slots=True)
class Rule:
    """A list has decided, by an entity of that kind."""

    list: ListName
    kind: str
    by: str = field(init=False)
    """What the answer and its record call it."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "by", f"list.{self.list}.{self.kind}")


@dataclass(frozen=True, slots=True)
class Listing:
    """One word about an entity on a list. Times are seconds since 1970."""

    list: ListName
    kind: str
    id: str
    expires: float | None = None
    """From then on it says nothing; None: never."""
    removed: bool = False


@dataclass(frozen=True, slots=True)
class _Kind:
    """The entities of one kind: until when they are on which list."""

    deny: Rule
    allow: Rule
    denied: dict[str, float] = field(default_factory=dict)
    allowed: dict[str, float] = field(default_factory=dict)


class Lists:
    """The copy of one process. `replace` may be called from another thread than `listed`."""

    def __init__(self) -> None:
        self._kinds: dict[str, _Kind] = {}
        self.known = False
        """Whether it was ever said who is listed; until then nobody is."""

    def replace(self, words: Iterable[Listing]) -> None:
        """Hold these, in their order, and nothing else."""
        kinds: dict[str, _Kind] = {}
        for word in words:
            _take(kinds, word)
        self._kinds = kinds
        self.known = True

    def add(self, words: Iterable[Listing]) -> None:
        """Hold these on top of what is held, in their order."""
        for word in words:
            _take(self._kinds, word)

    def __len__(self) -> int:
        """Entries held, the expired ones too."""
        return sum(len(one.denied) + len(one.allowed) for one in self._kinds.values())

    def listed(self, entities: Mapping[str, str], now: float) -> Rule | None:
        """The list that decides about a transaction of these entities (kind to id), if one does."""
        kinds = self._kinds
        if not kinds:
            return None
        allow = None
        for name, entity in entities.items():
            kind = kinds.get(name)
            if kind is None:
                continue
            if kind.denied.get(entity, _NOT) > now:
                return kind.deny
            if allow is None and kind.allowed.get(entity, _NOT) > now:
                allow = kind.allow
        return allow


def _take(kinds: dict[str, _Kind], word: Listing) -> None:
    kind = kinds.get(word.kind)
    if kind is None:
        kind = kinds[word.kind] = _Kind(Rule("deny", word.kind), Rule("allow", word.kind))
    entities = kind.denied if word.list == "deny" else kind.allowed
    if word.removed:
        entities.pop(word.id, None)
    else:
        entities[word.id] = _FOR_EVER if word.expires is None else word.expires
