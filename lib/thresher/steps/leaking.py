"""Search rows for items of benchmarks, then write them: two passes over the rows.

`search_task` writes one line a row (why it cannot be judged, its verdict) and one line a match;
`write_task` reads the rows once more and sends them where their verdicts say. A row's verdict
depends on that row and the benchmarks alone.

Shapes: N rows of a task, R rows of a block, C matches.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from thresher import docid
from thresher.errors import InternalError
from thresher.formats.rows import Kind, Rows
from thresher.formats.turns import STRING
from thresher.leaks.indexed import Indexed
from thresher.leaks.matches import MATCHES
from thresher.leaks.presets import Preset
from thresher.leaks.search import LINES, search
from thresher.leaks.segments import ROLES, Segments, segments
from thresher.leaks.tallies import LeakTally
from thresher.stage import Receipt, Task
from thresher.steps.attributes import attribute_name, user_ids
from thresher.steps.fates import Fates, RowWriter
from thresher.steps.outputs import FOLDERS, LEDGER, PROOF, QUARANTINE, Output, PartSet
from thresher.steps.reading import ReadTask, read_task
from thresher.steps.row_texts import RowReader, Texts
from thresher.steps.rows import RowMap
from thresher.steps.split_log import (
    SplitLog,
    TextCheck,
    decode_schema,
    line_for_each_row,
    or_unreadable,
)
from thresher.steps.spread import read_table, write_table
from thresher.steps.tallies import KEPT, QUARANTINED, REMOVED, Counts, Judged
from thresher.store import Published, Store

Column = np.ndarray[Any, Any]
MATCH_FOLDER = "matches"
MARKS = (pa.field("_verdict", pa.string()), pa.field("_matched_id", pa.string()))
OpenIndex = Callable[[str, str], Indexed]


@dataclass(frozen=True)
class SearchStep:
    """What searching a task needs to know.

    Args:
        index: Folder of the index.
        open_index: Maps it, given the store's root and the folder.
        presets: The rules, by benchmark.
        reader: How rows are read as text.
        roles: Segments of these roles are searched.
        join_user_turns: Search all turns of the user as one text too.
        id_column: The users' own ids.
        skip_unreadable: Name files that fail instead of raising.
        max_doc_bytes: Rows with a larger value are bad.
    """

    index: str
    open_index: OpenIndex
    presets: tuple[Preset, ...]
    reader: RowReader
    roles: tuple[str, ...]
    join_user_turns: bool
    id_column: str | None
    skip_unreadable: bool
    max_doc_bytes: int

    @property
    def schema(self) -> pa.Schema:
        """The columns of a task's lines, one line a row."""
        fields = [pa.field("error", pa.string())]
        if self.id_column:
            fields.append(pa.field("id", pa.string()))
        return pa.schema(fields)


def match_name(folder: str, task: int) -> str:
    """Return the name of a task's matches inside its stage."""
    return f"{folder}/matches-{task:05d}.arrow"


def search_task(how: SearchStep, store: Store, folder: str, task: Task) -> Receipt:
    """Search one task's rows; write its lines and its matches.

    The receipt's facts are those of a first pass, and `unjudged` rows. With `skip_unreadable` a
    file that fails is named in the facts: the driver plans again without it.
    """
    work = partial(_search, how, store, folder, task)
    return or_unreadable(work, task.index, how.skip_unreadable)


def _search(how: SearchStep, store: Store, folder: str, task: Task) -> Receipt:
    read: ReadTask = task.payload
    indexed = how.open_index(store.root, how.index)
    log = SplitLog(read)
    unjudged = 0
    name = attribute_name(folder, task.index)
    matches: list[pa.RecordBatch] = []
    with store.writing(name, once=True) as path, pa.OSFile(str(path), "wb") as sink:
        writer = pa.ipc.new_file(sink, how.schema)
        for block in read_task(read, None, None, how.max_doc_bytes):
            base = log.rows
            texts = how.reader.texts(block, read)
            count = log.add(block, texts.text)
            lines = {"error": texts.errors()}
            if how.id_column:
                lines["id"] = user_ids(how.id_column, block, read.files[block.split].path)
            batch = line_for_each_row(lines, block, base, count, how.schema)
            unjudged += count - batch.column("error").null_count
            writer.write_batch(batch)
            for found, rows in _pieces(how, texts):
                matches.append(_numbered(search(indexed, how.presets, found), block.rows[rows]))
        writer.close()
    table = pa.Table.from_batches(matches, LINES).combine_chunks()
    table = table.take(pc.sort_indices(table, sort_keys=[("line", "ascending")]))
    file = write_table(store, match_name(folder, task.index), table)
    size = store.path(name).stat().st_size
    facts = {**log.facts(), "unjudged": unjudged, "matches": len(table)}
    return log.receipt(task.index, (Published(name, size, ""), file), facts)


def _pieces(how: SearchStep, texts: Texts) -> list[tuple[Segments, Column]]:
    """Return the segments of a block, by format, with the places of their rows."""
    if how.reader.formats is None:
        columns = {"text": texts.text.cast(STRING)}
        rows = Rows(Kind.TEXT, len(texts.text), {}, columns)
        return [(segments(rows), np.arange(len(rows)))]
    wanted = np.isin(np.array(ROLES), how.roles)
    found = []
    for piece in texts.found:
        cut = segments(piece.rows, join_user_turns=how.join_user_turns)
        mine = wanted[cut.roles]
        if not mine.all():
            texts_of = cut.texts.filter(pa.array(mine))
            cut = Segments(texts_of, cut.rows[mine], cut.numbers[mine], cut.roles[mine])
        found.append((cut, piece.places))
    return found


def _numbered(found: pa.RecordBatch, rows: Column) -> pa.RecordBatch:
    """Give matches the numbers of their rows inside the task."""
    line = rows[found.column("line").to_numpy()]
    return found.set_column(0, LINES.field(0), pa.array(line))


@dataclass(frozen=True)
class WriteStep:
    """What writing a task needs to know.

    Args:
        search: How rows were searched.
        folder: Of the search stage.
        rows: From ids to row ids.
        expected: Fingerprints of the text, by task and split.
        schema_text: Columns of the inputs.
        verdicts: Rows with a match of these verdicts are removed.
        tag: Remove nothing: verdict and item beside every row.
    """

    search: SearchStep
    folder: str
    rows: RowMap
    expected: tuple[tuple[str, ...], ...]
    schema_text: str
    verdicts: tuple[str, ...]
    tag: bool

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
        return outputs | {MATCH_FOLDER: Output(MATCHES, ("train_snippet", "eval_snippet"))}


def write_task(how: WriteStep, store: Store, folder: str, task: Task) -> Receipt:
    """Write one task's rows.

    Raises:
        InputError: The text is no longer what was searched.
    """
    read: ReadTask = task.payload
    lines = read_table(store, attribute_name(how.folder, task.index)).combine_chunks()
    matches = read_table(store, match_name(how.folder, task.index)).combine_chunks()
    fates, marks = _fates(how, lines, matches)
    writer = RowWriter("decontaminate", task.index, how.rows, fates)
    counts = Counts(len(read.splits))
    check = TextCheck(read, how.expected[task.index])
    tally = LeakTally()
    with PartSet(store, task.index, how.outputs()) as parts:
        for block in read_task(read, None, how.schema, how.search.max_doc_bytes):
            text = how.search.reader.texts(block, read).text
            check.add(block.split, text)
            ids = docid.pack(task.index, block.rows)
            counts.add(block, Judged(ids, fates.written[block.rows], text))
            kept = writer.kept(block)
            data = block.batch if kept.all() else block.batch.filter(pa.array(kept))
            if how.tag:
                index = pa.array(block.rows[kept])
                columns = [*data.columns, *(mark.take(index) for mark in marks)]
                data = pa.record_batch(columns, schema=pa.schema([*data.schema, *MARKS]))
            writer.write(parts, block, data)
        check.finish()
        named = _named(how, writer, task.index, matches)
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
        rows_out=counts.rows(),
        bytes_in=counts.bytes(),
        files=files,
        facts={"splits": counts.facts(), "leaks": name},
    )


def _fates(
    how: WriteStep, lines: pa.Table, matches: pa.Table
) -> tuple[Fates, tuple[pa.Array, pa.Array]]:
    """Return what becomes of the rows, and the gravest verdict and its item for each row."""
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
    wanted = pc.is_in(decisive.column("verdict"), value_set=pa.array(how.verdicts))
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
        ids=lines.column("id").combine_chunks() if how.search.id_column else None,
        stay=how.tag,
    )
    return fates, (decisive.column("verdict").combine_chunks(), item)


def _named(how: WriteStep, writer: RowWriter, task: int, matches: pa.Table) -> pa.RecordBatch:
    """Return matches with the names of their rows."""
    numbers = matches.column("line").to_numpy()
    ids = docid.pack(task, numbers)
    columns = {
        "_row_id": writer.row_ids(numbers),
        "file": how.rows.file_names(ids),
        "row": pa.array(how.rows.locate(ids)[1]),
    }
    arrays = [
        columns[f.name] if f.name in columns else matches.column(f.name).combine_chunks()
        for f in MATCHES
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=MATCHES)
