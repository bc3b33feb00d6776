"""The walk over the groups in order, on the driver: one part in memory at a time.

It ends as soon as the held-out splits are full; what is not walked is train.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from thresher.splitting.assignment import Assigner, Split
from thresher.splitting.groups import run_starts
from thresher.steps.split_grouping import HELD, LINES
from thresher.steps.spread import read_table, write_table
from thresher.store import Store

Column = np.ndarray[Any, Any]


class Walked(NamedTuple):
    """What the walk gave.

    Args:
        held: Labels and splits of the groups that do not go to train, by part.
        rows: (3, S) rows by split and stratum.
        groups: (3,) groups by split, those of train among the walked ones only.
        oldest: (3,) uint64 age of the oldest group of each held-out split.
    """

    held: list[tuple[Column, Column]]
    rows: Column
    groups: Column
    oldest: Column


class _Part(NamedTuple):
    """Groups of a part: (G + 1,) starts and (L,) lines; the rest by group."""

    starts: Column
    stratum: Column
    rows: Column
    pins: Column
    labels: Column
    ages: Column


def walk_groups(
    store: Store, parts: Sequence[str], assigner: Assigner, *, pinned: bool, totals: Column
) -> Walked:
    """Walk the parts in order.

    Args:
        store: Where they are.
        parts: Their names, in order.
        assigner: Gives groups to splits.
        pinned: Some groups are told where to go, so that all parts are walked.
        totals: (S,) rows of each stratum.

    """
    found: list[Column] = []
    for name in parts:
        if assigner.full and not pinned:
            break
        part = _load(store, name)
        found.append(assigner.first(part.starts, part.stratum, part.rows, part.pins))
    if not assigner.full and assigner.strata > 1:
        for name, splits in zip(parts, found, strict=False):
            part = _load(store, name)
            assigner.second(part.starts, part.stratum, part.rows, part.pins, splits)
    held: list[tuple[Column, Column]] = []
    by_split = np.zeros((len(Split), len(totals)), np.int64)
    groups = np.zeros(len(Split), np.int64)
    oldest = np.zeros(len(Split), np.uint64)
    for name, splits in zip(parts, found, strict=False):
        out = np.flatnonzero(splits)
        if not len(out):
            continue
        part = _load(store, name)
        held.append((part.labels[out], splits[out]))
        of_line = np.repeat(splits, np.diff(part.starts))
        np.add.at(by_split, (of_line, part.stratum), part.rows)
        np.maximum.at(oldest, splits, part.ages)
        groups += np.bincount(splits, minlength=len(Split))
    by_split[Split.TRAIN] = totals - by_split[Split.VALIDATION] - by_split[Split.TEST]
    return Walked(held, by_split, groups, oldest)


def keep_held(store: Store, name: str, held: Sequence[tuple[Column, Column]]) -> None:
    """Write the groups that do not go to train, sorted by label."""
    labels = np.concatenate([np.zeros(0, np.uint64), *(label for label, _ in held)])
    splits = np.concatenate([np.zeros(0, np.uint8), *(split for _, split in held)])
    order = np.argsort(labels)
    table = pa.table([pa.array(labels[order]), pa.array(splits[order])], schema=HELD)
    write_table(store, name, table)


def _load(store: Store, name: str) -> _Part:
    table = read_table(store, name)
    columns = {field: table.column(field).to_numpy() for field in LINES.names}
    begins = run_starts(columns["label"])
    return _Part(
        np.append(begins, len(table)),
        columns["stratum"],
        columns["rows"],
        columns["pin"][begins],
        columns["label"][begins],
        columns["age"][begins],
    )
