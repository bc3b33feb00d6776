"""Tables of rows, kept where the tasks that own the rows look them up.

What an exchange finds about rows comes out by key. A task needs what concerns its own rows. An
`Owned` table has an `id` column and is cut by owner: part k holds the rows of `span` tasks,
sorted by id. A small run has one part, put together by the driver; a large one sends the lines
home through an exchange.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from thresher import docid
from thresher.stage import Receipt, Task
from thresher.steps.collapsing import part_name
from thresher.steps.spread import read_table, spread_batch, write_table
from thresher.store import Store

Column = np.ndarray[Any, Any]
ALL_TASKS = 1 << 32


@dataclass(frozen=True)
class Owned:
    """Where a table lies and how it is cut.

    Args:
        folder: Folder of the parts.
        span: Tasks whose rows one part holds.
    """

    folder: str
    span: int

    def of_task(self, store: Store, task: int) -> pa.Table:
        """Return the lines on one task's rows, sorted by id, mapped from disk."""
        return own_rows(read_table(store, part_name(self.folder, task // self.span)), task)


def own_rows(table: pa.Table, task: int) -> pa.Table:
    """Return the lines on one task's rows of a table sorted by id."""
    ids = table.column("id").to_numpy()
    low, high = docid.task_range(task)
    begin, end = np.searchsorted(ids, np.array([low, high], dtype=np.uint64)).tolist()
    return table.slice(begin, end - begin)


def gather(store: Store, receipts: Sequence[Receipt], schema: pa.Schema) -> pa.Table:
    """Read the parts of an exchange as one table, sorted by id."""
    tables = [read_table(store, r.files[0].name) for r in receipts if r.files]
    if not tables:
        return schema.empty_table()
    table = pa.concat_tables(tables).combine_chunks()
    return table.take(pa.array(np.argsort(table.column("id").to_numpy())))


def keep_whole(store: Store, folder: str, table: pa.Table) -> Owned:
    """Write a table sorted by id as one part."""
    write_table(store, part_name(folder, 0), table)
    return Owned(folder, ALL_TASKS)


def part_tasks(receipts: Sequence[Receipt]) -> tuple[Task, ...]:
    """Return one task for each part that an exchange wrote; its payload is the part's name."""
    names = [r.files[0].name for r in receipts if r.files]
    return tuple(Task(number, name) for number, name in enumerate(names))


def emit_home(
    by: str, span: int, store: Store, folder: str, task: Task
) -> Iterator[tuple[int, pa.RecordBatch]]:
    """Emit a part's lines to the owners of the ids in column `by`."""
    table = read_table(store, task.payload)
    yield from spread_table(table, docid.task_of(table.column(by).to_numpy()) // span)


def spread_table(table: pa.Table, target: Column) -> Iterator[tuple[int, pa.RecordBatch]]:
    """Cut a table into one batch for each value of `target`."""
    for batch in table.combine_chunks().to_batches():
        yield from spread_batch(batch, target)


def reduce_home(
    schema: pa.Schema,
    store: Store,
    folder: str,
    partition: int,
    batches: Iterable[pa.RecordBatch],
) -> Receipt:
    """Write the lines on the rows of some tasks, sorted by id, one line a row."""
    table = pa.Table.from_batches(batches, schema)
    _, first = np.unique(table.column("id").to_numpy(), return_index=True)
    table = table.take(pa.array(first)).combine_chunks()
    file = write_table(store, part_name(folder, partition), table)
    return Receipt(
        task=partition,
        rows_in=len(table),
        rows_out=len(table),
        bytes_in=table.nbytes,
        files=(file,),
    )
