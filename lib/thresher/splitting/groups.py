"""From rows to groups: what is asked of a group when it is given to a split.

A group's order key is made of its smallest content hash; its age is that of its oldest row, so a
text that is older than a border in time counts as old with all its later copies; its pin is the
smallest of its rows' pins, so a copy of a training row is a training row.

Shapes: R rows, L lines (one a group and stratum), G groups.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from thresher.splitting.assignment import FREE, Split
from thresher.splitting.order import order_keys

Column = np.ndarray[Any, Any]


class Members(NamedTuple):
    """Rows with the group each belongs to.

    Args:
        label: (R,) uint64 the group.
        b0, b1: (R,) uint64 halves of the content hash.
        age: (R,) uint64, larger is older.
        pin: (R,) uint8 `Split` or FREE.
        stratum: (R,) int64.
        rows: (R,) int64 how many each counts as.
    """

    label: Column
    b0: Column
    b1: Column
    age: Column
    pin: Column
    stratum: Column
    rows: Column


class Lines(NamedTuple):
    """Groups as lines, those of one group together.

    Args:
        label: (L,) uint64.
        o0, o1: (L,) uint64 order key of the group.
        age: (L,) uint64 of its oldest row.
        pin: (L,) uint8.
        stratum: (L,) int64.
        rows: (L,) int64 rows of the group in the stratum.
    """

    label: Column
    o0: Column
    o1: Column
    age: Column
    pin: Column
    stratum: Column
    rows: Column


def singles(members: Members, seed: int, border: int | None) -> Lines:
    """Return the lines of rows that are groups of their own; arguments as for `grouped`."""
    o0, o1 = order_keys(members.b0, members.b1, seed)
    pin = _pinned(members.pin, members.age, border)
    return Lines(members.label, o0, o1, members.age, pin, members.stratum, members.rows)


def grouped(members: Members, seed: int, border: int | None) -> Lines:
    """Return the lines of groups, sorted by label and stratum.

    Args:
        members: All rows of each group, in any order.
        seed: Of the order.
        border: Groups whose oldest row is no older than this age are test; None pins none.
    """
    order = np.lexsort((members.b1, members.b0, members.label))
    ordered = Members(*(column[order] for column in members))
    begins = run_starts(ordered.label)
    o0, o1 = order_keys(ordered.b0[begins], ordered.b1[begins], seed)
    age = np.maximum.reduceat(ordered.age, begins) if len(begins) else ordered.age
    pin = np.minimum.reduceat(ordered.pin, begins) if len(begins) else ordered.pin
    pin = _pinned(pin, age, border)
    group = np.repeat(np.arange(len(begins)), np.diff(np.append(begins, len(ordered.label))))
    by_stratum = np.lexsort((ordered.stratum, group))
    group, stratum = group[by_stratum], ordered.stratum[by_stratum]
    line = run_starts(group, stratum)
    counted = ordered.rows[by_stratum]
    rows = np.add.reduceat(counted, line) if len(line) else counted
    of = group[line]
    label = ordered.label[begins]
    return Lines(label[of], o0[of], o1[of], age[of], pin[of], stratum[line], rows)


def _pinned(pin: Column, age: Column, border: int | None) -> Column:
    if border is None:
        return pin
    new = age <= np.uint64(border)
    return np.where(new & (pin == FREE), np.uint8(Split.TEST), pin).astype(np.uint8)


def run_starts(*keys: Column) -> Column:
    """Return where runs of equal keys begin, as int64."""
    first = np.ones(len(keys[0]), bool)
    if len(first):
        first[1:] = False
        for key in keys:
            first[1:] |= key[1:] != key[:-1]
    return np.flatnonzero(first)
