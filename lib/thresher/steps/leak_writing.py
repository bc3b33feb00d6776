"""Write rows where the matches that were found in them say: the second pass over the rows.

A row's verdict depends on that row and the benchmarks alone.

Shapes: N rows of a task, R rows of a block, C matches.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from thresher import docid
from thresher.errors import InternalError
from thresher.leaks.cutting import CutRule
from thresher.leaks.matches import MATCHES
from thresher.leaks.tallies import LeakTally
from thresher.stage import Receipt, Task
from thresher.steps.attributes import attribute_name
from thresher.steps.fates import Fates, RowWriter
from thresher.steps.leak_changing import CHANGE_FOLDER, CHANGES, WORDS, Changer, unchanged
from thresher.steps.leak_searching import SearchStep, match_name
from thresher.steps.outputs import FOLDERS, LEDGER, PROOF, QUARANTINE, Output, PartSet
from thresher.steps.reading import ReadTask, read_task
from thresher.steps.rows import RowMap
from thresher.steps.split_log import (
    TextCheck,
    decode_schema,
)
from thresher.steps.spread import read_table
from thresher.steps.tallies import KEPT, QUARANTINED, REMOVED, Counts, Judged
from thresher.store import Store

Column = np.ndarray[Any, Any]
MATCH_FOLDER = "matches"
MARKS = (pa.field("_verdict", pa.string()), pa.field("_matched_id", pa.string()))


@dataclass(frozen=True)
class WriteStep:
    """What writing a task needs to know.

    Args:
        search: How rows were searched.
        folder: Of the search stage.
        matches: Folder of the stage whose matches count.
        rows: From ids to row ids.
        expected: Fingerprints of the text, by task and split.
        schema_text: Columns of the inputs.
        verdicts: Rows with a match of these verdicts are removed or changed.
        action: `drop`, `truncate` or `cut`; `tag` removes nothing: verdict and item beside every
            row.
        cut: How texts are cut.
    """

    search: SearchStep
    folder: str
    matches: str
    rows: RowMap
    expected: tuple[tuple[str, ...], ...]
    schema_text: str
    verdicts: tuple[str, ...]
    action: str
    cut: CutRule

    @property
    def tag(self) -> bool:
        """Whether all rows stay as they are."""
        return self.action == "tag"

    @property
    def changes(self) -> bool:
        """Whether rows are changed where that can be."""
        return self.action in WORDS

    @property
    def schema(self) -> pa.Schema:
        """The columns of the inputs, in order."""
        return decode_schema(self.schema_text)

    def outputs(self) -> dict[str, Output]:
        """Return the folders to write, with their columns."""
        schema = self.schema
        texts = [f.name for f in schema if pa.types.is_string(f.type)]
        data = pa.schema([*schema, *MARKS]) if self.tag else schema
        schemas = (data, pa.schema([*schema, *PROOF]), QUARANTINE, LEDGER)
        outputs = {
            folder: Output(columns, texts if folder in ("data", "removed") else ())
            for folder, columns in zip(FOLDERS, schemas, strict=True)
        }
        outputs[MATCH_FOLDER] = Output(MATCHES, ("train_snippet", "eval_snippet"))
        if self.changes:
            outputs[CHANGE_FOLDER] = Output(CHANGES, ("removed",))
        return outputs


def write_task(how: WriteStep, store: Store, folder: str, task: Task) -> Receipt:
    """Write one task's rows.

    Raises:
        InputError: The text is no longer what was searched.
    """
    read: ReadTask = task.payload
    lines = read_table(store, attribute_name(how.folder, task.index)).combine_chunks()
    matches = read_table(store, match_name(how.matches, task.index)).combine_chunks()
    fates, marks = fates_of(lines, matches, how.verdicts, stay=how.tag)
    changer = Changer(how.action, how.cut, how.verdicts, how.search, store, read, matches)
    changed, added = 0, [0] * len(read.splits)
    counts = Counts(len(read.splits))
    check = TextCheck(read, how.expected[task.index])
    tally = LeakTally()
    with PartSet(store, task.index, how.outputs()) as parts:
        for block in read_task(read, None, how.schema, how.search.max_doc_bytes):
            texts = how.search.reader.texts(block, read)
            check.add(block.split, texts.text)
            made = changer.change(fates, block, texts) if how.changes else unchanged(fates, block)
            fates = made.fates
            writer = RowWriter("decontaminate", task.index, how.rows, fates)
            ids = docid.pack(task.index, block.rows)
            counts.add(block, Judged(ids, fates.written[block.rows], texts.text))
            counts.take_out(block.split, made.taken)
            changed += made.num
            added[block.split] += made.added
            data = made.data
            if how.tag:
                index = pa.array(block.rows[writer.kept(block)])
                columns = [*data.columns, *(mark.take(index) for mark in marks)]
                data = pa.record_batch(columns, schema=pa.schema([*data.schema, *MARKS]))
            writer.write(parts, block, data)
            if how.changes:
                parts.write(CHANGE_FOLDER, made.lines(writer))
        check.finish()
        writer = RowWriter("decontaminate", task.index, how.rows, fates)
        named = named_matches(how.rows, writer, task.index, matches)
        tally.add(named, read.source)
        parts.write(MATCH_FOLDER, named)
        files = parts.finish()
    if counts.rows() != len(lines):
        raise InternalError(f"task {task.index}: {counts.rows()} rows, {len(lines)} searched")
    name = f"{folder}/leaks-{task.index:05d}.json"
    store.put(name, json.dumps(tally.to_json()).encode())
    return Receipt(
        task=task.index,
        rows_in=counts.rows(),
        rows_out=counts.rows() + sum(added),
        bytes_in=counts.bytes(),
        files=files,
        facts={
            "splits": [
                {**split, "added": more} for split, more in zip(counts.facts(), added, strict=True)
            ],
            "leaks": name,
            "changed": changed,
        },
    )


def fates_of(
    lines: pa.Table, matches: pa.Table, verdicts: tuple[str, ...], *, stay: bool = False
) -> tuple[Fates, tuple[pa.Array, pa.Array]]:
    """Return what becomes of the rows, and the gravest verdict and its item for each row.

    Args:
        lines: (N,) `error`, perhaps `id`.
        matches: (C,) columns of `MATCHES` and `line`.
        verdicts: Rows with a match of these go.
        stay: They stay where they are, since the user only looks.
    """
    count = len(lines)
    bad = np.asarray(pc.is_valid(lines.column("error")))
    rows = matches.column("line").to_numpy()
    grave = np.asarray(pc.equal(matches.column("verdict"), "contaminated"))
    cover = matches.column("cover_5").to_numpy()
    # Of a row's matches the gravest decides, then the one that covers most, then the first.
    order = np.lexsort((np.arange(len(rows)), -cover, ~grave, rows))
    first = order[np.concatenate([[True], rows[order][1:] != rows[order][:-1]])[: len(order)]]
    place = np.full(count, -1, np.int64)
    place[rows[first]] = first
    index = pa.array(place, mask=place < 0)
    decisive = matches.take(index)
    wanted = pc.is_in(decisive.column("verdict"), value_set=pa.array(verdicts))
    removed = np.asarray(pc.fill_null(wanted, False)) & ~bad
    item = pc.binary_join_element_wise(
        decisive.column("benchmark"), decisive.column("item_id"), ":"
    ).combine_chunks()
    kind, mode = (decisive.column(n).combine_chunks() for n in ("match_kind", "mode"))
    detail = pc.binary_join_element_wise(kind, " (", mode, ")", "")
    gone = pa.array(removed)
    nothing = pa.scalar(None, pa.string())
    score = decisive.column("cover_5").combine_chunks()
    fates = Fates(
        state=np.where(bad, QUARANTINED, np.where(removed, REMOVED, KEPT)),
        error=lines.column("error").combine_chunks(),
        reason=pc.if_else(gone, kind, nothing),
        detail=pc.if_else(gone, detail, nothing),
        matched=pc.if_else(gone, item, nothing),
        score=pc.if_else(gone, score, pa.scalar(None, pa.float64())),
        ids=lines.column("id").combine_chunks() if "id" in lines.column_names else None,
        stay=stay,
    )
    return fates, (decisive.column("verdict").combine_chunks(), item)


def named_matches(rows: RowMap, writer: RowWriter, task: int, matches: pa.Table) -> pa.RecordBatch:
    """Return matches with the names of their rows."""
    numbers = matches.column("line").to_numpy()
    ids = docid.pack(task, numbers)
    columns = {
        "_row_id": writer.row_ids(numbers),
        "file": rows.file_names(ids),
        "row": pa.array(rows.locate(ids)[1]),
    }
    arrays = [
        columns[f.name] if f.name in columns else matches.column(f.name).combine_chunks()
        for f in MATCHES
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=MATCHES)
