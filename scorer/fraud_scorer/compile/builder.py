"""The program under construction: slots, operations, and what is known of each slot.

Families call the methods of `Builder`; each appends one operation and returns the slots it writes.
For every slot the builder remembers which input it is made of (reasons need it), whether it can be
missing or infinite (checks that cannot fail are left out), and how exactly it follows scikit-learn
(an inexact value must not meet a threshold unasked).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from enum import IntEnum
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from fraud_scorer.compile.container import FIRST_FREE, NONE, OP, Sections
from fraud_scorer.compile.refusal import Refused, WantsCategory
from fraud_scorer.engine.header import Step


class Code(IntEnum):
    """Operations; docs/fdm.md says what each does."""

    CHECK = 1
    ADD = 2
    SUB = 3
    MUL = 4
    DIV = 5
    RSUB = 6
    CLIP = 7
    FILL = 8
    MISSING = 9
    LOOKUP = 10
    ONEHOT = 11
    BIN = 12
    PRODUCT = 13
    CONST = 14
    LINEAR = 15
    TREES8 = 16
    TREES16 = 17
    SUM = 18
    FUNCTION = 19
    INTERP = 20
    SOFTMAX2 = 21


class Function(IntEnum):
    """Functions of one value."""

    EXPIT = 1
    EXP2 = 2
    EXP = 3
    LOG = 4
    LOG1P = 5
    SQRT = 6
    ABS = 7


class Level(IntEnum):
    """How a value follows scikit-learn's: the same bits; through our own exp or log; or only
    within a forward-error bound."""

    EXACT = 0
    ROUNDED = 1
    BOUNDED = 2


CHECK_NAN, CHECK_INF, CHECK_FLOAT32 = 1, 2, 4
_EXACT_FUNCTIONS: Final = {Function.SQRT, Function.ABS}


@dataclass(frozen=True)
class Slot:
    """What is known of one value. `category` is the input whose codes it holds; `large` says that
    it may lie beyond float32."""

    owner: int | None
    level: Level = Level.EXACT
    nan: bool = True
    inf: bool = True
    large: bool = True
    category: int | None = None


@dataclass(frozen=True)
class Matrix:
    """Columns as slots. `sparse` says that scikit-learn holds them as a sparse matrix here, where
    some of its transformers compute differently."""

    slots: tuple[int, ...]
    sparse: bool = False

    def take(self, columns: Sequence[int] | NDArray[Any]) -> Matrix:
        """Some of the columns, by position."""
        return Matrix(tuple(self.slots[int(i)] for i in columns), self.sparse)

    def __len__(self) -> int:
        return len(self.slots)


@dataclass
class Operation:
    """One operation before it is written."""

    code: Code
    n: int
    dst: int
    flags: int = 0
    sections: tuple[int, ...] = ()
    k: float = 0.0
    sources: tuple[int, ...] = ()


@dataclass
class Builder:
    """A program; see the module's docstring."""

    inputs: Sequence[Any]  # name, type, nullable
    accept_inexact: bool = False
    slots: list[Slot] = field(default_factory=list)
    operations: list[Operation] = field(default_factory=list)
    sections: Sections = field(default_factory=Sections)
    categories: list[dict[str, int]] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    inexact_thresholds: bool = False
    trees: int = 0
    nodes: int = 0
    _path: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        for i, one in enumerate(self.inputs):
            category = i if one.type == "category" else None
            finite = category is not None
            self.slots.append(
                Slot(i, nan=one.nullable, inf=not finite, large=not finite, category=category)
            )
            self.categories.append({})

    # ---- where we are in the estimator ----

    @contextmanager
    def step(self, name: str, fitted: object) -> Iterator[None]:
        """Everything inside belongs to the step `name` of what is being compiled."""
        self._path.append(name)
        self.steps.append(Step(path=self.path, kind=type(fitted).__qualname__))
        yield
        self._path.pop()

    @property
    def path(self) -> str:
        """The current step, from the outermost."""
        return ".".join(self._path)

    def refuse(self, problem: str, instead: str = "") -> Refused:
        """An exception for the current step, to be raised by the caller."""
        return Refused(self.path, problem, instead)

    # ---- categories ----

    def wants_category(self, slot: int, because: str) -> Refused:
        """An exception for a slot that holds a number and should hold categories."""
        problem = f"{because}, and the feature is a number"
        instead = "declare the feature as a category"
        owner = self.slots[slot].owner
        if owner is None:  # made of several inputs, none of which can be it
            return self.refuse(problem, instead)
        return WantsCategory(self.path, str(self.inputs[owner].name), problem, instead)

    def code(self, owner: int, category: str) -> float:
        """The number that stands for a string of an input."""
        return float(self.categories[owner].setdefault(category, len(self.categories[owner])))

    def numbers(self, x: Matrix) -> Matrix:
        """The same columns. Raises Refused where one of them holds categories."""
        for slot in x.slots:
            owner = self.slots[slot].category
            if owner is not None:
                raise self.refuse(
                    f"the category {self.inputs[owner].name!r} arrives where numbers are needed",
                    "encode it with OneHotEncoder or OrdinalEncoder first",
                )
        return x

    # ---- thresholds ----

    def threshold(self, x: Matrix) -> None:
        """Note that a threshold follows on these columns. Raises Refused where one is inexact and
        that was not accepted."""
        inexact = [s for s in x.slots if self.slots[s].level != Level.EXACT]
        if not inexact:
            return
        if not self.accept_inexact:
            owner = self.slots[inexact[0]].owner
            name = repr(self.inputs[owner].name) if owner is not None else "several inputs"
            raise self.refuse(
                f"a threshold on a value of {name} that is not bit for bit scikit-learn's",
                "move the function before it out of the model, or compile with accept_inexact=True,"
                " which measures how many reference rows it changes",
            )
        self.inexact_thresholds = True

    def at_most(self, slot: int, level: Level) -> int:
        """The same slot, known to follow its origin no closer than `level`."""
        self.slots[slot] = replace(self.slots[slot], level=max(level, self.slots[slot].level))
        return slot

    # ---- operations ----

    def check(self, x: Matrix, *, nan: bool = True, inf: bool = True, single: bool = False) -> None:
        """Refuse rows as scikit-learn does: missing values, infinity, and where `single` what
        float32 cannot hold."""
        todo = []
        for s in dict.fromkeys(x.slots):
            slot = self.slots[s]
            if (nan and slot.nan) or (inf and slot.inf) or (inf and single and slot.large):
                todo.append(s)
                self.slots[s] = replace(
                    slot,
                    nan=slot.nan and not nan,
                    inf=slot.inf and not inf,
                    large=slot.large and not (inf and single),
                )
        if todo:
            flags = CHECK_NAN * nan | CHECK_INF * inf | CHECK_FLOAT32 * (inf and single)
            self._append(Code.CHECK, todo, [], flags=flags)

    def elementwise(self, code: Code, x: Matrix, *parameters: NDArray[Any] | float) -> Matrix:
        """ADD, SUB, MUL, DIV, RSUB (parameter - x) and CLIP (low, high) by column."""
        arrays = [np.broadcast_to(np.asarray(p, dtype="<f8"), (len(x),)) for p in parameters]
        if any(np.isnan(a).any() for a in arrays):
            raise self.refuse("a fitted number is NaN", "drop columns without any value")
        made = [
            replace(self.slots[s], nan=self.slots[s].nan or self.slots[s].inf, inf=True, large=True)
            for s in x.slots
        ]
        sections = [self.sections.add(a) for a in arrays]
        return Matrix(self._append(code, x.slots, sections, made), x.sparse)

    def fill(self, x: Matrix, marker: NDArray[Any], value: NDArray[Any]) -> Matrix:
        """Values equal to the marker (or both NaN) replaced."""
        made = [
            replace(self.slots[s], nan=self.slots[s].nan and not (np.isnan(m) and not np.isnan(v)))
            for s, m, v in zip(x.slots, marker, value, strict=True)
        ]
        sections = [self._numbers(marker), self._numbers(value)]
        return Matrix(self._append(Code.FILL, x.slots, sections, made), x.sparse)

    def missing(self, x: Matrix, marker: NDArray[Any]) -> Matrix:
        """1.0 where a value equals the marker (or both are NaN)."""
        made = [Slot(self.slots[s].owner, nan=False, inf=False, large=False) for s in x.slots]
        return Matrix(self._append(Code.MISSING, x.slots, [self._numbers(marker)], made), x.sparse)

    def lookup(
        self,
        slot: int,
        table: dict[float, float],
        *,
        null: float | None,
        unknown: float | None,
    ) -> int:
        """A table from values to values; None for `null` or `unknown` refuses such rows."""
        if self.slots[slot].category is None:
            self.threshold(Matrix((slot,)))
        keys = sorted(table)
        values = [table[k] for k in keys]
        values += [0.0 if null is None else null, 0.0 if unknown is None else unknown]
        flags = (unknown is None) * 1 | (null is None) * 2
        made = Slot(
            self.slots[slot].owner, nan=bool(np.isnan(values).any()), inf=False, large=False
        )
        sections = [self._numbers(np.array(keys)), self._numbers(np.array(values))]
        return self._append(Code.LOOKUP, (slot,), sections, [made], flags=flags)[0]

    def onehot(self, slot: int, width: int) -> tuple[int, ...]:
        """`width` slots, 1.0 in the one that the value numbers, all zero where it numbers none."""
        made = [Slot(self.slots[slot].owner, nan=False, inf=False, large=False)] * width
        return self._append(Code.ONEHOT, (slot,), [], made, n=width)

    def bin(self, slot: int, edges: NDArray[Any]) -> int:
        """How many of the rising edges are <= the value."""
        self.threshold(Matrix((slot,)))
        made = Slot(self.slots[slot].owner, nan=False, inf=False, large=False)
        return self._append(Code.BIN, (slot,), [self._numbers(edges)], [made])[0]

    def product(self, left: Sequence[int], right: Sequence[int]) -> tuple[int, ...]:
        """left[i] * right[i]."""
        made = []
        for a, b in zip(left, right, strict=True):
            one, other = self.slots[a], self.slots[b]
            owner = one.owner if one.owner == other.owner else None
            made.append(Slot(owner, max(one.level, other.level)))
        return self._append(Code.PRODUCT, left, [self._slots(right)], made)

    def constant(self, value: float) -> int:
        """A slot that always holds `value`."""
        made = Slot(None, nan=False, inf=False, large=False)
        return self._append(Code.CONST, (), [self._numbers(np.array([value]))], [made], n=1)[0]

    def linear(self, x: Matrix, coefficients: NDArray[Any], intercept: float) -> int:
        """The sum of coefficient * value from the first column to the last, then + intercept."""
        values = np.asarray(coefficients, dtype="<f8")
        if np.isnan(values).any() or np.isnan(intercept):
            raise self.refuse("a coefficient is NaN")
        made = [Slot(None, Level.BOUNDED)]
        return self._append(
            Code.LINEAR, x.slots, [self._numbers(values)], made, n=len(x), k=float(intercept)
        )[0]

    def walk(
        self,
        code: Code,
        columns: NDArray[Any],
        sections: Sequence[int],
        *,
        base: float,
        flags: int,
        sources: Sequence[int],
    ) -> int:
        """A tree operation over prepared sections (see ensemble.py)."""
        level = max((self.slots[s].level for s in sources), default=Level.EXACT)
        made = [Slot(None, level, nan=False, inf=False)]
        ids = [self.sections.add(columns), *sections]
        return self._append(code, sources, [], made, n=len(columns), flags=flags, k=base, ids=ids)[
            0
        ]

    def sum(self, slots: Sequence[int]) -> int:
        """0.0 + the first + the second …"""
        level = max(self.slots[s].level for s in slots)
        return self._append(Code.SUM, slots, [], [Slot(None, level)])[0]

    def scalar(self, code: Code, slot: int, *parameters: float) -> int:
        """An elementwise operation on one slot."""
        return self.elementwise(code, Matrix((slot,)), *parameters).slots[0]

    def function(self, function: Function, x: Matrix) -> Matrix:
        """A function of each value."""
        exact = function in _EXACT_FUNCTIONS
        made = [
            replace(
                self.slots[s],
                level=_through(self.slots[s].level, exact=exact),
                nan=True,
                inf=True,
                large=True,
            )
            for s in x.slots
        ]
        return Matrix(self._append(Code.FUNCTION, x.slots, [], made, flags=int(function)), x.sparse)

    def expit(self, slot: int) -> int:
        """1 / (1 + exp(-value))."""
        return self.function(Function.EXPIT, Matrix((slot,))).slots[0]

    def interpolate(self, slot: int, x: NDArray[Any], y: NDArray[Any]) -> int:
        """numpy.interp."""
        made = replace(
            self.slots[slot], inf=False, level=_through(self.slots[slot].level, exact=True)
        )
        sections = [self._numbers(x), self._numbers(y)]
        return self._append(Code.INTERP, (slot,), sections, [made])[0]

    def softmax2(self, first: int, second: int) -> int:
        """The second's share of exp(first) and exp(second)."""
        level = max(_through(self.slots[s].level, exact=False) for s in (first, second))
        return self._append(Code.SOFTMAX2, (first, second), [], [Slot(None, level)], n=1)[0]

    # ---- writing ----

    def records(self) -> NDArray[Any]:
        """The program as it lies in the file."""
        program = np.zeros(len(self.operations), dtype=OP)
        for row, one in zip(program, self.operations, strict=True):
            ids = [*one.sections, NONE, NONE, NONE, NONE, NONE][:5]
            row["code"], row["flags"], row["n"], row["dst"] = one.code, one.flags, one.n, one.dst
            row["section"], row["k"] = ids, one.k
        return program

    def owners(self) -> NDArray[Any]:
        """The input of each slot."""
        return np.array([NONE if s.owner is None else s.owner for s in self.slots], dtype="<u4")

    def array(self, section: int) -> NDArray[Any]:
        """The array behind a section number."""
        return self.sections.arrays[section - FIRST_FREE]

    def _slots(self, slots: Sequence[int]) -> int:
        return self.sections.add(np.array(slots, dtype="<u4"))

    def _numbers(self, values: NDArray[Any]) -> int:
        return self.sections.add(np.asarray(values, dtype="<f8"))

    def _append(
        self,
        code: Code,
        sources: Sequence[int],
        sections: Sequence[int],
        made: Sequence[Slot] = (),
        *,
        n: int | None = None,
        flags: int = 0,
        k: float = 0.0,
        ids: Sequence[int] | None = None,
    ) -> tuple[int, ...]:
        """Every operation's first section lists its sources; `ids` replaces that whole list."""
        dst = len(self.slots)
        if ids is None:
            ids = [NONE if code is Code.CONST else self._slots(sources), *sections]
        count = len(sources) if n is None else n
        self.operations.append(Operation(code, count, dst, flags, tuple(ids), k, tuple(sources)))
        self.slots += made
        return tuple(range(dst, dst + len(made)))


def _through(level: Level, *, exact: bool) -> Level:
    """What a function makes of a value: a rounded one may come out less close than it went in."""
    if level is Level.EXACT:
        return Level.EXACT if exact else Level.ROUNDED
    return Level.BOUNDED
