"""Mix, last: rows are read once more and written as often as they are drawn.

Part N of every output comes from task N. All rows that are drawn come first, in input order; then
those that are written twice, once more, and so on: a repeat never stands beside its row. A repeat
has a ledger line of its own, `ROW#2`, that names the row as what it was made of.

The folder `draws` holds a line for every input row: what the draw knew of it, so that it can be
checked without the inputs.

Shapes: N rows of a task, R rows of a block.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from thresher import docid
from thresher.errors import InternalError
from thresher.stage import Receipt, Task
from thresher.steps.fates import ADDED, Fates, RowWriter
from thresher.steps.mix_drawing import Drawing, Draws
from thresher.steps.mix_probe import AllStrings
from thresher.steps.outputs import (
    FOLDERS,
    LEDGER,
    PROOF,
    QUARANTINE,
    Output,
    PartSet,
    long_leaves,
)
from thresher.steps.reading import ReadTask, TaskBlock, read_task
from thresher.steps.row_texts import RowReader
from thresher.steps.rows import RowMap
from thresher.steps.split_log import TextCheck, decode_schema
from thresher.steps.tallies import Counts, Judged
from thresher.store import Store

Column = np.ndarray[Any, Any]
DRAWS = "draws"
DRAW_LINES = pa.schema(
    [
        ("_row_id", pa.string()),
        ("source", pa.int32()),
        ("category", pa.string()),
        ("leaf", pa.int32()),  # -1 where the row takes no part
        ("content_0", pa.uint64()),
        ("content_1", pa.uint64()),
        ("document", pa.uint64()),  # decides between equal rows
        ("tokens", pa.int64()),
        ("copies", pa.int32()),
    ]
)


@dataclass(frozen=True)
class MixWrite:
    """What writing a task needs to know.

    Args:
        reader: How rows are read as text.
        draws: How often rows are written.
        rows: From ids to row ids.
        expected: Fingerprints of the text, by task and split.
        schema_text: Columns of the inputs.
        max_doc_bytes: Rows with a larger value are bad.
    """

    reader: RowReader | AllStrings
    draws: Draws
    rows: RowMap
    expected: tuple[tuple[str, ...], ...]
    schema_text: str
    max_doc_bytes: int

    @property
    def schema(self) -> pa.Schema:
        """The columns of the inputs, in order."""
        return decode_schema(self.schema_text)

    def outputs(self) -> dict[str, Output]:
        """Return the folders to write, with their columns."""
        schema = self.schema
        schemas = (schema, pa.schema([*schema, *PROOF]), QUARANTINE, LEDGER)
        return {
            folder: Output(columns, long_leaves(columns) if folder in ("data", "removed") else ())
            for folder, columns in zip(FOLDERS, schemas, strict=True)
        } | {DRAWS: Output(DRAW_LINES)}


def write_mixture(how: MixWrite, store: Store, folder: str, task: Task) -> Receipt:
    """Write one task's rows.

    The receipt's facts hold by split the rows and bytes by verdict and the rows added; by leaf the
    rows and tokens written, repeats included; removed rows by reason.

    Raises:
        InputError: The text is no longer what was judged.
    """
    read: ReadTask = task.payload
    drawing = how.draws.of_task(store, task.index)
    fates = drawing.fates()
    writer = RowWriter("mix", task.index, how.rows, fates)
    counts = Counts(len(read.splits))
    added = [0] * len(read.splits)
    with PartSet(store, task.index, how.outputs()) as parts:
        for number in range(max(1, int(drawing.copies.max(initial=1)))):
            check = TextCheck(read, how.expected[task.index])
            for block in read_task(read, None, how.schema, how.max_doc_bytes):
                text = how.reader.texts(block, read).text
                check.add(block.split, text)
                if number == 0:
                    _write_first(parts, block, drawing, writer)
                    ids = docid.pack(task.index, block.rows)
                    counts.add(block, Judged(ids, fates.state[block.rows], text))
                else:
                    added[block.split] += _write_again(how, parts, block, drawing, writer, number)
            check.finish()
        files = parts.finish()
    if counts.rows() != len(drawing.copies):
        raise InternalError(
            f"task {task.index}: {counts.rows()} rows, {len(drawing.copies)} judged"
        )
    splits = [{**s, "added": more} for s, more in zip(counts.facts(), added, strict=True)]
    return Receipt(
        task=task.index,
        rows_in=counts.rows(),
        rows_out=counts.rows() + sum(added),
        bytes_in=counts.bytes(),
        files=files,
        facts={"splits": splits, "given": _given(drawing), "removed": _removed(fates)},
    )


def _write_first(parts: PartSet, block: TaskBlock, drawing: Drawing, writer: RowWriter) -> None:
    """Write a block's rows where they belong, each once."""
    kept = writer.kept(block)
    data = block.batch if kept.all() else block.batch.filter(pa.array(kept))
    numbers = writer.write(parts, block, data)
    lines, index = drawing.lines, pa.array(numbers)
    columns = [
        writer.row_ids(numbers),
        pa.array(np.full(len(numbers), drawing.source, np.int32)),
        lines.category.take(index),
        pa.array(drawing.leaf[numbers].astype(np.int32)),
        pa.array(lines.content[numbers, 0]),
        pa.array(lines.content[numbers, 1]),
        pa.array(docid.pack(lines.task, numbers)),
        pa.array(lines.tokens[numbers]),
        pa.array(drawing.copies[numbers].astype(np.int32)),
    ]
    parts.write(DRAWS, pa.record_batch(columns, schema=DRAW_LINES))


def _write_again(
    how: MixWrite,
    parts: PartSet,
    block: TaskBlock,
    drawing: Drawing,
    writer: RowWriter,
    number: int,
) -> int:
    """Write the rows of a block that are written more than `number` times, once more; return how
    many."""
    again = drawing.copies[block.rows] > number
    if not again.any():
        return 0
    parts.write("data", block.batch.filter(pa.array(again)))
    own = writer.row_ids(block.rows[again])
    count = len(own)
    ids = docid.pack(drawing.lines.task, block.rows[again])
    numbered = pc.binary_join_element_wise(own, pa.scalar(str(number + 1)), "#")
    columns = [
        numbered,
        how.rows.file_names(ids),
        pa.array(how.rows.locate(ids)[1]),
        pa.repeat("kept", count).cast(pa.string()),
        pa.repeat(ADDED, count).cast(pa.string()),
        own,
        pa.nulls(count, pa.float64()),
    ]
    parts.write("ledger", pa.record_batch(columns, schema=LEDGER))
    return count


def _given(drawing: Drawing) -> list[list[int]]:
    """Return leaf, rows and tokens written, for each leaf that has any."""
    copies, leaf = drawing.copies, drawing.leaf
    mine = copies > 0
    count = int(leaf.max(initial=-1)) + 1
    rows = np.bincount(leaf[mine], copies[mine], count).astype(np.int64)
    tokens = np.zeros(count, np.int64)
    np.add.at(tokens, leaf[mine], copies[mine] * drawing.lines.tokens[mine])
    return [[n, int(rows[n]), int(tokens[n])] for n in np.flatnonzero(rows).tolist()]


def _removed(fates: Fates) -> dict[str, int]:
    """Return the removed rows by reason."""
    counted = pc.value_counts(fates.reason.drop_null())
    return {entry["values"]: entry["counts"] for entry in counted.to_pylist()}
