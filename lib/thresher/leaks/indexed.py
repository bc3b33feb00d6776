"""Benchmarks as they are searched for: an index for prose, one for code, and what the items are.

Everything is an array or an Arrow column, so that workers map it from disk.

Shapes: B benchmarks, U items, I sub-items of one part.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from thresher.leaks.answers import Sayings
from thresher.leaks.fuzzy import Sketches
from thresher.leaks.index import Index
from thresher.leaks.items import FIELDS
from thresher.leaks.scan import frozen
from thresher.leaks.templates import Templates

Column = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Part:
    """The sub-items that are read as prose, or those that are read as code.

    Args:
        code: Whether texts are read as code.
        index: Their index; its `uid`, `bench` and `field` are those of all parts together.
        texts: (I,) large strings, for the report.
        turns: (I,) int16, which turn of its item a later turn is; 0 for other sub-items.
        answers, options: Texts by item, as tokens of this part.
        templates: Its questions with numbers, where a rule asks for them.
        sketches: Its sub-items as MinHash signatures, where a rule asks for them.
    """

    code: bool
    index: Index
    texts: pa.Array
    turns: Column
    answers: Sayings
    options: Sayings
    templates: Templates | None = None
    sketches: Sketches | None = None

    def fields_of(self, items: Column) -> pa.Array:
        """Return what sub-items are called, a later turn by its number: `turn 2`."""
        names = pa.array(FIELDS).take(pa.array(self.index["field"][items]))
        turns = self.turns[items]
        numbers = pa.array(turns).cast(pa.string())
        numbered = pc.binary_join_element_wise(names, numbers, pa.scalar(" ", pa.string()))
        return pc.if_else(pa.array(turns > 0), numbered, names)

    @cached_property
    def digest(self) -> str:
        """Return the name of what is searched for."""
        more = {n: a for n, a in arrays_of(self).items() if n.startswith(_MORE_NAMES)}
        state = sha256(self.index.digest.encode())
        for name, array in sorted(more.items()):
            state.update(f"{name} {array.shape}\n".encode() + array.tobytes())
        return (state.hexdigest() if more else self.index.digest)[:16]


@dataclass(frozen=True)
class Indexed:
    """All benchmarks.

    Args:
        names, splits, kinds: By benchmark: its name, its split, its kind as a place in `KINDS`.
        uids: (U,) strings that name the items.
        parts: Prose, code, or both.
    """

    names: tuple[str, ...]
    splits: tuple[str, ...]
    kinds: Column
    uids: pa.Array
    parts: tuple[Part, ...]

    @property
    def digest(self) -> str:
        """Return the name of what is searched for."""
        return "-".join(part.digest for part in self.parts)


_SAYINGS = ("answers", "options")
_MORE: dict[str, type[Templates] | type[Sketches]] = {
    "templates": Templates,
    "sketches": Sketches,
}
_MORE_NAMES = tuple(f"{name}." for name in _MORE)


def arrays_of(part: Part) -> dict[str, Column]:
    """Return all arrays of a part, by name."""
    found = {f"index.{name}": array for name, array in part.index.arrays().items()}
    found["turns"] = part.turns
    for name in _SAYINGS:
        said: Sayings = getattr(part, name)
        found |= {f"{name}.{field}": array for field, array in said._asdict().items()}
    for name in _MORE:
        more: Templates | Sketches | None = getattr(part, name)
        if more is not None:
            found |= {f"{name}.{field}": array for field, array in more._asdict().items()}
    return found


def part_of(code: bool, arrays: Mapping[str, Column], texts: pa.Array) -> Part:
    """Return the part whose arrays these are; nothing is copied."""
    index = {n.removeprefix("index."): a for n, a in arrays.items() if n.startswith("index.")}
    said: dict[str, Any] = {
        name: Sayings(*(arrays[f"{name}.{field}"] for field in Sayings._fields))
        for name in _SAYINGS
    }
    more: dict[str, Any] = {
        name: kind(*(frozen(arrays[f"{name}.{field}"]) for field in kind._fields))
        for name, kind in _MORE.items()
        if f"{name}.{kind._fields[0]}" in arrays
    }
    return Part(code, Index.from_arrays(index), texts, arrays["turns"], **said, **more)


def sayings(lists: Sequence[pa.Array], tokens: Any) -> Sayings:
    """Return texts by item, given the tokens of all of them in order.

    Args:
        lists: (U,) lists of strings, in pieces.
        tokens: Of the flattened texts.
    """
    lengths = [np.diff(piece.offsets.to_numpy()) for piece in lists]
    counts = np.concatenate([np.zeros(1, np.int64), *lengths])
    return Sayings(np.cumsum(counts).astype(np.int64), tokens.offsets, tokens.hashes)
