"""Rows that moved: their text is gone from one place of the ledger and new at another.

Shapes: R rows, L lines of a ledger.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from thresher.transforms.arrivals import Found, Ledger, text_nights

Column = np.ndarray[Any, Any]


def follow(
    found: Found,
    ledger: Ledger,
    line_source: Column,
    b0: Column,
    b1: Column,
    source: Column,
    night: int,
) -> None:
    """Let rows that moved have come to their place when they came to the one before.

    The rows of a text that are new where they are take over the lines of that text whose places are
    gone, first within a source and then from any: rows in their order, the oldest lines first.

    Args:
        found: What the ledger says of the rows; `arrived` is changed.
        ledger: Of the night before.
        line_source: (L,) uint64 hashes of the sources of its lines.
        b0, b1: (R,) uint64, the 128-bit hashes of the rows' texts.
        source: (R,) uint64 hashes of their sources.
        night: What tonight's new texts and places got.
    """
    rows = np.flatnonzero(~found.known & (text_nights(found.arrived) < night))
    lines = np.flatnonzero(~found.stands)
    lines = lines[np.lexsort((ledger.place[lines], ledger.place_night[lines]))]
    for within in (True, False):
        if not len(rows) or not len(lines):
            return
        of_rows, of_lines = [b0[rows], b1[rows]], [ledger.b0[lines], ledger.b1[lines]]
        if within:
            of_rows.append(source[rows])
            of_lines.append(line_source[lines])
        numbers = _numbered([np.concatenate(pair) for pair in zip(of_rows, of_lines, strict=True)])
        rows_too, lines_too = _ranked(numbers[: len(rows)]), _ranked(numbers[len(rows) :])
        _, row, line = np.intersect1d(rows_too, lines_too, assume_unique=True, return_indices=True)
        texts = found.arrived[rows[row]] & ~np.uint64(0xFFFFFFFF)
        found.arrived[rows[row]] = texts | ledger.place_night[lines[line]]
        rows, lines = np.delete(rows, row), np.delete(lines, line)


def _numbered(keys: list[Column]) -> Column:
    """Return a number for each row of columns, equal where these are."""
    order = np.lexsort(keys)
    other = np.zeros(len(order), bool)
    for key in keys:
        other[1:] |= np.diff(key[order]) != 0
    numbers = np.empty(len(order), np.int64)
    numbers[order] = np.cumsum(other)
    return numbers


def _ranked(numbers: Column) -> Column:
    """Return each number with how many of its like came before: no two are equal."""
    order = np.argsort(numbers, kind="stable")
    ordered = numbers[order]
    begins = np.concatenate(([0], np.flatnonzero(np.diff(ordered)) + 1)).astype(np.int64)
    counts = np.diff(np.append(begins, len(ordered)))
    ranks = np.empty(len(order), np.int64)
    ranks[order] = np.arange(len(order)) - np.repeat(begins, counts)
    ranked: Column = numbers << 32 | ranks
    return ranked
