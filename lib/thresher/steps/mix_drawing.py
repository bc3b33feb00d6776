"""Mix, drawing: the exact end of each draw, and from it how often every row is written.

`border` brings the few rows together among which a draw ends; the first of them, in the order of
keys, that is not drawn is the bound. From then on every task knows the fate of its rows alone.

Shapes: N rows of a task.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from thresher.mixing.drawing import Key, Prefix, below, draw
from thresher.mixing.options import Unit
from thresher.stage import Receipt, Task
from thresher.steps.chain import events_of
from thresher.steps.collapsing import part_name
from thresher.steps.fates import Fates
from thresher.steps.mix_counting import Leaves, MixSource
from thresher.steps.mix_probe import MixLines
from thresher.steps.spread import write_table
from thresher.steps.table_digests import digest_table
from thresher.steps.tallies import KEPT, QUARANTINED, REMOVED
from thresher.store import Store

Column = np.ndarray[Any, Any]
REASONS = ["not_drawn", "no_category", "other_category"]
_KEY = [(f"key_{word}", pa.uint64()) for word in range(3)]
BORDER = pa.schema([("leaf", pa.int32()), *_KEY, ("tokens", pa.int64())])
ENDS = pa.schema([("leaf", pa.int32()), *_KEY, ("rows", pa.int64()), ("tokens", pa.int64())])


class Sought(NamedTuple):
    """A draw whose end is sought among the rows of a prefix.

    Args:
        prefix: Their digits.
        unit: What the draw counts.
        rest: What is still to be drawn of them.
    """

    prefix: Prefix
    unit: Unit
    rest: int


def emit_border(
    source: MixSource,
    leaves: Leaves,
    sought: Mapping[int, Sought],
    partitions: int,
    store: Store,
    folder: str,
    task: Task,
) -> Iterator[tuple[int, pa.RecordBatch]]:
    """Emit key and tokens of the rows among which a draw ends, by leaf."""
    lines = source.load(store, task.index)
    leaf = leaves.of_rows(task.payload.source, lines)
    for number, what in sought.items():
        rows = np.flatnonzero(leaf == number)
        keys = lines.keys(rows, source.seed)
        inside = what.prefix.begins(keys)
        if inside.any():
            found = keys[inside]
            columns = [
                np.full(len(found), number, np.int32),
                *(np.ascontiguousarray(found[:, word]) for word in range(3)),
                lines.tokens[rows[inside]],
            ]
            batch = pa.record_batch([pa.array(c) for c in columns], schema=BORDER)
            yield number % partitions, batch


def reduce_border(
    sought: Mapping[int, Sought],
    store: Store,
    folder: str,
    partition: int,
    batches: Iterable[pa.RecordBatch],
) -> Receipt:
    """Find where the draws of a partition's leaves end."""
    table = pa.Table.from_batches(batches, BORDER)
    leaves = table.column("leaf").to_numpy()
    keys = np.stack([table.column(name).to_numpy() for name, _ in _KEY], axis=1)
    tokens = table.column("tokens").to_numpy()
    lines = []
    for number in np.unique(leaves).tolist():
        mine = np.flatnonzero(leaves == number)
        what = sought[number]
        end = draw(keys[mine], tokens[mine], what.unit == "tokens", what.rest)
        lines.append((number, *end.bound, end.rows, end.tokens))
    columns = zip(*lines, strict=True) if lines else [[] for _ in ENDS]
    arrays = [pa.array(c, f.type) for c, f in zip(columns, ENDS, strict=True)]
    file = write_table(store, part_name(folder, partition), pa.table(arrays, schema=ENDS))
    return Receipt(
        task=partition,
        rows_in=len(table),
        rows_out=len(lines),
        bytes_in=table.nbytes,
        files=(file,),
    )


@dataclass(frozen=True)
class Draws:
    """How often every row is written: what a mixture decides.

    Args:
        source: Where the lines are.
        leaves: Which leaf a row belongs to.
        full: By leaf, how often all its rows are written.
        bounds: By leaf, the key below which a row is written once more; absent: none is.
        sources: By task, the source that it reads.
        name: What `_removed_by` says.
    """

    source: MixSource
    leaves: Leaves
    full: tuple[int, ...]
    bounds: Mapping[int, Key]
    sources: tuple[int, ...]
    name: str = "mix"

    def of_task(self, store: Store, task: int) -> Drawing:
        """Return how often each row of a task is written."""
        lines = self.source.load(store, task)
        leaf = self.leaves.of_rows(self.sources[task], lines)
        found = np.where(leaf >= 0, np.array([*self.full, 0])[leaf], 0)
        for number, bound in self.bounds.items():
            rows = np.flatnonzero(leaf == number)
            if len(rows):
                found[rows] += below(lines.keys(rows, self.source.seed), bound)
        every = np.arange(len(leaf))
        order = lines.keys(every, self.source.seed)[:, 0]
        return Drawing(self.sources[task], lines, leaf, found, order)

    def events(self, store: Store, task: int) -> pa.Table:
        """Return the events of a task, for the writer of recipes."""
        drawing = self.of_task(store, task)
        return events_of(drawing.fates(), drawing.lines.left)

    def made_of(self, store: Store, task: int) -> str:
        """Return a digest of a task's events."""
        return digest_table(self.events(store, task)).hex()

    def mask(self, store: Store, task: int) -> Column:
        """(N,) bool: rows that the mixture left."""
        written: Column = self.copies(store, task) > 0
        return written

    def copies(self, store: Store, task: int) -> Column:
        """(N,) how often each row is written."""
        return self.of_task(store, task).copies


@dataclass(frozen=True)
class Drawing:
    """What becomes of a task's rows.

    Args:
        source: The source's number.
        lines: What is known of them.
        leaf: (N,) their leaves; -1 for none.
        copies: (N,) how often each is written.
        order: (N,) uint64 the first words of their keys.
    """

    source: int
    lines: MixLines
    leaf: Column
    copies: Column
    order: Column

    @property
    def place(self) -> Column:
        """(N,) float64 where each row stands in the order of drawing, from 0 to 1."""
        found: Column = self.order.astype(np.float64) / 2.0**64
        return found

    def fates(self) -> Fates:
        """Return the verdicts; the score of a removed row is its place in the order."""
        lines = self.lines
        bad = np.asarray(pc.is_valid(lines.error))
        gone = lines.present & (self.copies == 0)
        without = np.asarray(pc.is_null(lines.category))
        said = np.where(self.leaf >= 0, 0, np.where(without, 1, 2))
        reason = pa.array(REASONS).take(pa.array(said, mask=~gone))
        return Fates(
            state=np.where(bad, QUARANTINED, np.where(gone, REMOVED, KEPT)),
            error=lines.error,
            reason=reason,
            detail=reason,
            matched=pa.nulls(len(gone), pa.string()),
            score=pa.array(self.place, mask=~gone),
            ids=lines.ids,
        )
