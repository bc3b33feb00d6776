"""What an index is made of: sub-items of benchmark items, as tokens.

A benchmark item becomes one or more sub-items (its question, its solution, its question with one
option, ...). Sub-items of one item share `uid`; an item counts once in every frequency.

Shapes: I sub-items, T tokens, N numbers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from thresher.leaks.tokens import Tokens

Column = np.ndarray[Any, Any]

FIELDS = (
    "question", "answer", "option", "question_option", "passage", "solution", "tests", "turn",
)  # fmt: skip


class Numbers(NamedTuple):
    """The numbers of texts, in the order of the text: those of row r lie between two offsets."""

    offsets: Column  # (R + 1,) int64
    places: Column  # (N,) int64: first token of the number, within the row
    keys: Column  # (N,) uint64: equal for equal values


class Items(NamedTuple):
    """Sub-items of any number of benchmarks."""

    tokens: Tokens
    bench: Column  # (I,) int32
    field: Column  # (I,) int8, an index of FIELDS
    uid: Column  # (I,) int64: the benchmark item that the sub-item belongs to
    numbers: Numbers | None = None


def no_numbers(num_rows: int) -> Numbers:
    """Return the numbers of rows without any."""
    nothing = np.zeros(0, np.int64)
    return Numbers(np.zeros(num_rows + 1, np.int64), nothing, nothing.astype(np.uint64))
