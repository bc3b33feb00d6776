"""Groups are put in order: the exchanges that make one line of each group and stratum, and the
table of what goes to held-out splits.

`members`  rows of one group meet; a line each group and stratum
`order`    all groups, rows without company among them, cut by ranges of their order, so that the
           driver walks them part by part and holds no more than one
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from thresher import docid
from thresher.splitting.assignment import Split
from thresher.splitting.groups import Lines, Members, grouped, run_starts, singles
from thresher.stage import Receipt, Task
from thresher.steps.attributes import Attributes, Status, TaskAttributes
from thresher.steps.bucketing import PIECES
from thresher.steps.collapsing import part_name
from thresher.steps.owned import Owned
from thresher.steps.split_noting import Noted, RowTies
from thresher.steps.spread import (
    concatenated,
    mixed,
    partition_of,
    read_table,
    spread,
    spread_batch,
    write_table,
)
from thresher.store import Store
from thresher.transforms.order import LAST

Column = np.ndarray[Any, Any]
HELD = pa.schema([("label", pa.uint64()), ("split", pa.uint8())])
LINES = pa.schema(
    [
        ("label", pa.uint64()),
        ("o0", pa.uint64()),
        ("o1", pa.uint64()),
        ("age", pa.uint64()),
        ("pin", pa.uint8()),
        ("stratum", pa.int64()),
        ("rows", pa.int64()),
    ]
)


@dataclass(frozen=True)
class Grouping:
    """What making groups needs to know.

    Args:
        attributes: Of all rows.
        noted: What was noted of them beside their text.
        labels: The group of every row with company.
        seed: Of the order.
        border: Groups whose oldest row is no older than this age are test; None pins none.
        by_age: The ages of the youngest and oldest row, where the youngest groups come first.
    """

    attributes: Attributes
    noted: Noted
    labels: Owned
    seed: int
    border: int | None
    by_age: tuple[int, int] | None

    def major(self, lines: Lines) -> Column:
        """(L,) uint64 what the order goes by first."""
        return lines.o0 if self.by_age is None else lines.age

    def ranges(self, major: Column, partitions: int) -> Column:
        """Return the partition of each value of `major`, ascending with it."""
        if self.by_age is None:
            return partition_of(major, partitions)
        young, old = self.by_age
        width = np.uint64((old - young) // partitions + 1)
        places = (np.clip(major, np.uint64(young), np.uint64(old)) - np.uint64(young)) // width
        return np.where(major == LAST, partitions - 1, places.astype(np.int64))


class _Rows(NamedTuple):
    found: TaskAttributes
    notes: RowTies

    def members(self, task: int, rows: Column, label: Column) -> Members:
        return Members(
            label,
            self.found.bytes_hash[rows, 0],
            self.found.bytes_hash[rows, 1],
            self.notes.age[rows],
            self.notes.pin[rows],
            self.notes.stratum[rows],
            np.ones(len(rows), np.int64),
        )


def _load(how: Grouping, store: Store, task: Task) -> _Rows:
    return _Rows(how.attributes.load(store, task.index), how.noted.load(store, task))


def emit_members(
    how: Grouping, partitions: int, store: Store, folder: str, task: Task
) -> Iterator[tuple[int, pa.RecordBatch]]:
    """Emit a task's rows with company to their group."""
    table = how.labels.of_task(store, task.index)
    if not len(table):
        return
    ids, label = (table.column(name).to_numpy() for name in PIECES.names)
    members = _load(how, store, task).members(task.index, docid.row_of(ids), label)
    yield from spread(members._asdict(), mixed(label), partitions)


def reduce_members(
    how: Grouping,
    store: Store,
    folder: str,
    partition: int,
    batches: Iterable[pa.RecordBatch],
) -> Receipt:
    """Make lines of a partition's groups."""
    columns = concatenated(batches)
    if not columns:
        return Receipt(task=partition)
    lines = grouped(Members(**columns), how.seed, how.border)
    file = write_table(store, part_name(folder, partition), _table(lines))
    return Receipt(
        task=partition,
        rows_in=len(columns["label"]),
        rows_out=len(lines.label),
        files=(file,),
    )


def _table(lines: Lines) -> pa.Table:
    return pa.table([pa.array(column) for column in lines], schema=LINES)


def emit_groups(
    how: Grouping, partitions: int, store: Store, folder: str, task: Task
) -> Iterator[tuple[int, pa.RecordBatch]]:
    """Emit lines in ranges of the order: of groups, from a part of `members`, or of rows without
    company, from a task of rows. The payload is (a part's name, None) or (None, the task)."""
    name, rows_task = task.payload
    if name is not None:
        table = read_table(store, name)
        lines = Lines(*(table.column(field).to_numpy() for field in LINES.names))
    else:
        own = _load(how, store, rows_task)
        alone = own.found.status == Status.OK
        company = how.labels.of_task(store, rows_task.index).column("id").to_numpy()
        alone[docid.row_of(company)] = False
        rows = np.flatnonzero(alone)
        ids = docid.pack(rows_task.index, rows)
        members = own.members(rows_task.index, rows, ids)
        lines = singles(members, how.seed, how.border)
    target = how.ranges(how.major(lines), partitions)
    for batch in _table(lines).combine_chunks().to_batches():
        yield from spread_batch(batch, target)


def reduce_groups(
    how: Grouping,
    store: Store,
    folder: str,
    partition: int,
    batches: Iterable[pa.RecordBatch],
) -> Receipt:
    """Sort a range of the order. Facts: rows by stratum, groups by size, the largest group."""
    columns = concatenated(batches)
    if not columns:
        return Receipt(task=partition, facts={"strata": [], "sizes": [], "largest": None})
    lines = Lines(**columns)
    order = np.lexsort((lines.stratum, lines.label, lines.o1, lines.o0, how.major(lines)))
    lines = Lines(*(column[order] for column in lines))
    file = write_table(store, part_name(folder, partition), _table(lines))
    strata = np.bincount(lines.stratum, lines.rows).astype(np.int64)
    begins = run_starts(lines.label)
    sizes = np.add.reduceat(lines.rows, begins)
    counted, groups = np.unique(sizes, return_counts=True)
    most = int(np.argmax(sizes))
    return Receipt(
        task=partition,
        rows_in=len(order),
        rows_out=len(order),
        files=(file,),
        facts={
            "strata": [[s, n] for s, n in enumerate(strata.tolist()) if n],
            "sizes": [*zip(counted.tolist(), groups.tolist(), strict=True)],
            "largest": [int(sizes[most]), int(lines.label[begins[most]])],
        },
    )


@dataclass(frozen=True)
class Placed:
    """Where every row goes.

    Args:
        labels: The group of every row with company; any other row is a group of its own.
        held: Name of the table of groups that do not go to train, sorted by label.
    """

    labels: Owned
    held: str

    def of_task(self, store: Store, task: int, count: int) -> tuple[Column, Column]:
        """Return (N,) uint8 `Split` and (N,) uint64 labels of a task's rows, judged or not."""
        ids = docid.pack(task, np.arange(count))
        return self.of_ids(store, ids)

    def of_ids(self, store: Store, ids: Column) -> tuple[Column, Column]:
        """Return the `Split` and the label of rows of any tasks."""
        label = ids.copy()
        tasks = docid.task_of(ids)
        for task in np.unique(tasks).tolist():
            known = self.labels.of_task(store, task)
            mine = np.flatnonzero(tasks == task)
            at, hit = _find(known.column("id").to_numpy(), ids[mine])
            label[mine[hit]] = known.column("piece").to_numpy()[at[hit]]
        held = read_table(store, self.held)
        split = np.full(len(ids), Split.TRAIN, np.uint8)
        at, hit = _find(held.column("label").to_numpy(), label)
        split[hit] = held.column("split").to_numpy()[at[hit]]
        return split, label


def _find(known: Column, wanted: Column) -> tuple[Column, Column]:
    """Return where values lie in a sorted column, and which of them do."""
    if not len(known):
        return np.zeros(len(wanted), np.int64), np.zeros(len(wanted), bool)
    at = np.minimum(np.searchsorted(known, wanted), len(known) - 1)
    return at, known[at] == wanted
