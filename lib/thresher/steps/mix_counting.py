"""Mix, counting: rows and tokens by category and by the digits of drawing keys.

Two exchanges add up what tasks count. `count` runs once: by source, category and first digit.
`refine` runs where a draw ends among many rows: by the next digit of the keys that share all digits
so far. What reaches the driver grows with categories and digits, never with rows.

Shapes: N rows of a task, B lines counted.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from thresher.errors import LimitError
from thresher.mixing.drawing import Prefix, digit_of
from thresher.stage import Receipt, Task
from thresher.steps.attributes import Alive
from thresher.steps.collapsing import part_name
from thresher.steps.mix_probe import MixLines, load_mix_lines
from thresher.steps.spread import spread_batch, write_table
from thresher.store import Store

Column = np.ndarray[Any, Any]
MOST_CATEGORIES = 4096
_COUNTS = [("digit", pa.int64()), ("rows", pa.int64()), ("tokens", pa.int64())]
COUNTED = pa.schema([("source", pa.int32()), ("category", pa.string()), *_COUNTS])
REFINED = pa.schema([("leaf", pa.int32()), *_COUNTS])


@dataclass(frozen=True)
class MixSource:
    """Where the lines are, and in which order their rows are drawn.

    Args:
        folder: Of the probe's lines.
        seed: Of the order.
        alive: Rows that one of these leaves out take no part.
    """

    folder: str
    seed: int
    alive: tuple[Alive, ...] = ()

    def load(self, store: Store, task: int) -> MixLines:
        """Read a task's lines."""
        return load_mix_lines(store, self.folder, task, self.alive)


@dataclass(frozen=True)
class Leaves:
    """Which leaf a row belongs to.

    Args:
        by_source: By source, leaves by category; the leaf of all rows stands under None.
    """

    by_source: tuple[Mapping[str | None, int], ...]

    def of_rows(self, source: int, lines: MixLines) -> Column:
        """Return the (N,) int64 leaf of each row; -1 where it takes no part or has no leaf."""
        known = self.by_source[source]
        if None in known:
            leaf = np.full(len(lines.present), known[None])
        else:
            coded = lines.category.dictionary_encode()
            names = coded.dictionary.to_pylist()
            table = np.array([*(known.get(name, -1) for name in names), -1], np.int64)
            codes = coded.indices.fill_null(len(names)).to_numpy(zero_copy_only=False)
            leaf = table[codes]
        return np.where(lines.present, leaf, -1)


def emit_counts(
    source: MixSource, partitions: int, store: Store, folder: str, task: Task
) -> Iterator[tuple[int, pa.RecordBatch]]:
    """Emit rows and tokens by category and first digit.

    Raises:
        LimitError: There are too many categories for them to be any.
    """
    lines = source.load(store, task.index)
    rows = np.flatnonzero(lines.present)
    coded = lines.category.take(pa.array(rows)).dictionary_encode()
    names = pa.concat_arrays([coded.dictionary, pa.nulls(1, pa.string())])
    if len(names) > MOST_CATEGORIES:
        raise LimitError(
            f"more than {MOST_CATEGORIES} values in the column of categories",
            path=task.payload.files[0].path,
            remedy="name a column of few values with --category-column",
        )
    codes = coded.indices.fill_null(len(names) - 1).to_numpy(zero_copy_only=False)
    digits = digit_of(lines.keys(rows, source.seed), 0)
    group, digit, num, tokens = _summed(codes, digits, lines.tokens[rows])
    batch = pa.record_batch(
        [
            pa.array(np.full(len(group), task.payload.source, np.int32)),
            names.take(pa.array(group)),
            *map(pa.array, (digit, num, tokens)),
        ],
        schema=COUNTED,
    )
    yield from spread_batch(batch, digit % partitions)


def emit_refined(
    source: MixSource,
    leaves: Leaves,
    wanted: Mapping[int, Prefix],
    store: Store,
    folder: str,
    task: Task,
) -> Iterator[tuple[int, pa.RecordBatch]]:
    """Emit rows and tokens by leaf and next digit, of the rows whose keys begin as wanted.

    Args:
        source: Where the lines are.
        leaves: Which leaf a row belongs to.
        wanted: By leaf, the digits so far.
    """
    lines = source.load(store, task.index)
    leaf = leaves.of_rows(task.payload.source, lines)
    for number, prefix in wanted.items():
        rows = np.flatnonzero(leaf == number)
        keys = lines.keys(rows, source.seed)
        inside = prefix.begins(keys)
        if not inside.any():
            continue
        digits = digit_of(keys[inside], prefix.digits)
        same = np.full(len(digits), number)
        columns = _summed(same, digits, lines.tokens[rows[inside]])
        arrays = [pa.array(c, f.type) for c, f in zip(columns, REFINED, strict=True)]
        yield 0, pa.record_batch(arrays, schema=REFINED)


def _summed(groups: Column, digits: Column, tokens: Column) -> tuple[Column, ...]:
    """Return group, digit, rows and tokens of each pair of group and digit that occurs."""
    wide = groups.astype(np.int64) << 32 | digits
    pairs, place, num = np.unique(wide, return_inverse=True, return_counts=True)
    sums = np.zeros(len(pairs), np.int64)
    np.add.at(sums, place, tokens)
    return pairs >> 32, pairs & 0xFFFFFFFF, num, sums


def reduce_counts(
    schema: pa.Schema,
    store: Store,
    folder: str,
    partition: int,
    batches: Iterable[pa.RecordBatch],
) -> Receipt:
    """Add up lines that agree in all but rows and tokens; sorted by these columns."""
    table = pa.Table.from_batches(batches, schema)
    names = schema.names[:-2]
    summed = table.group_by(names).aggregate([("rows", "sum"), ("tokens", "sum")])
    summed = summed.rename_columns([n.removesuffix("_sum") for n in summed.column_names])
    summed = summed.select(schema.names).sort_by([(name, "ascending") for name in names])
    file = write_table(store, part_name(folder, partition), summed)
    return Receipt(
        task=partition,
        rows_in=len(table),
        rows_out=len(summed),
        bytes_in=table.nbytes,
        files=(file,),
    )
