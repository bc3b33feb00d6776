"""Benchmarks as they are searched for: an index for prose, one for code, and what the items are.

Everything is an array or an Arrow column, so that workers map it from disk.

Shapes: B benchmarks, U items, I sub-items of one part.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from thresher.leaks.answers import Sayings
from thresher.leaks.index import Index

Column = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Part:
    """The sub-items that are read as prose, or those that are read as code.

    Args:
        code: Whether texts are read as code.
        index: Their index; its `uid`, `bench` and `field` are those of all parts together.
        texts: (I,) large strings, for the report.
        answers, options: Texts by item, as tokens of this part.
    """

    code: bool
    index: Index
    texts: pa.Array
    answers: Sayings
    options: Sayings


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
        return "-".join(part.index.digest[:16] for part in self.parts)


_SAYINGS = ("answers", "options")


def arrays_of(part: Part) -> dict[str, Column]:
    """Return all arrays of a part, by name."""
    found = {f"index.{name}": array for name, array in part.index.arrays().items()}
    for name in _SAYINGS:
        said: Sayings = getattr(part, name)
        found |= {f"{name}.{field}": array for field, array in said._asdict().items()}
    return found


def part_of(code: bool, arrays: Mapping[str, Column], texts: pa.Array) -> Part:
    """Return the part whose arrays these are; nothing is copied."""
    index = {n.removeprefix("index."): a for n, a in arrays.items() if n.startswith("index.")}
    said = {
        name: Sayings(*(arrays[f"{name}.{field}"] for field in Sayings._fields))
        for name in _SAYINGS
    }
    return Part(code, Index.from_arrays(index), texts, **said)


def sayings(lists: Sequence[pa.Array], tokens: Any) -> Sayings:
    """Return texts by item, given the tokens of all of them in order.

    Args:
        lists: (U,) lists of strings, in pieces.
        tokens: Of the flattened texts.
    """
    lengths = [np.diff(piece.offsets.to_numpy()) for piece in lists]
    counts = np.concatenate([np.zeros(1, np.int64), *lengths])
    return Sayings(np.cumsum(counts).astype(np.int64), tokens.offsets, tokens.hashes)
