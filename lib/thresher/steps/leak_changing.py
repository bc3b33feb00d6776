"""Change rows in which items were found: cut texts, shorten conversations.

A changed row stays in the data; what was taken out of it, and from where, is a line of `changes/`
for each stretch. A text in several pieces is several rows, one after the other, with its other
columns repeated. Nothing is kept in which a search still finds an item; what it finds is judged by
the row alone, so words that many rows share are cut too.

Shapes: N rows of a task, R rows of a block, C rows of it to be changed.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from thresher.formats.arrays import without_nulls
from thresher.formats.heads import first_elements
from thresher.formats.turns import STRING
from thresher.leaks import truncating
from thresher.leaks.cutting import Cut, CutRule, Span, cut_texts, gaps
from thresher.leaks.search import search
from thresher.leaks.segments import TEXT, Segments
from thresher.steps.fates import Fates, RowWriter
from thresher.steps.leak_searching import SearchStep, pieces
from thresher.steps.reading import ReadTask, TaskBlock
from thresher.steps.row_texts import Texts
from thresher.steps.tallies import KEPT, REMOVED
from thresher.store import Store

Column = np.ndarray[Any, Any]
CHANGE_FOLDER = "changes"
# What the ledger says of a row that was changed, by action.
WORDS = {"cut": "cut", "truncate": "truncated"}
CHANGES = pa.schema(
    [
        ("_row_id", pa.string()),
        ("action", pa.string()),
        ("column", pa.string()),
        ("start", pa.int64()),  # of the stretch: bytes of a text, messages of a conversation
        ("end", pa.int64()),
        ("length", pa.int64()),  # of the whole text or conversation, before
        ("removed", pa.string()),  # what stood there; messages as JSON
    ]
)


@dataclass(frozen=True)
class Changed:
    """A block's rows as they are to be written, and what was taken out.

    Args:
        fates: With the rows that were changed.
        data: The rows of the block that are kept.
        num: Rows that were changed.
        added: Rows of `data` beyond one for each kept row.
        taken: Bytes of text that are gone from rows that stay.
        numbers: Rows of `changes`, by their number in the task.
        changes: Columns of `CHANGES` but for `_row_id`.
    """

    fates: Fates
    data: pa.RecordBatch
    num: int = 0
    added: int = 0
    taken: int = 0
    numbers: list[int] = field(default_factory=list)
    changes: list[tuple[Any, ...]] = field(default_factory=list)

    def lines(self, writer: RowWriter) -> pa.RecordBatch:
        """Return the rows of `changes`."""
        columns = list(zip(*self.changes, strict=True)) or [()] * (len(CHANGES) - 1)
        arrays = [pa.array(c, f.type) for c, f in zip(columns, list(CHANGES)[1:], strict=True)]
        ids = writer.row_ids(np.array(self.numbers, np.int64))
        return pa.RecordBatch.from_arrays([ids, *arrays], schema=CHANGES)


def unchanged(fates: Fates, block: TaskBlock) -> Changed:
    """Return a block's rows as they are."""
    kept = fates.written[block.rows] == KEPT
    return Changed(fates, block.batch if kept.all() else block.batch.filter(pa.array(kept)))


class Changer:
    """Changes the rows of a task, block by block.

    Args:
        action: `cut` or `truncate`.
        rule: How texts are cut.
        verdicts: Of the matches that must not stay.
        how: How rows were searched, to do it again.
        store: Where the index is.
        read: The task.
        matches: Its matches, in the order of rows.
    """

    def __init__(
        self,
        action: str,
        rule: CutRule,
        verdicts: Sequence[str],
        how: SearchStep,
        store: Store,
        read: ReadTask,
        matches: pa.Table,
    ) -> None:
        self._action, self._rule, self._verdicts = action, rule, pa.array(verdicts)
        self._how, self._store, self._read = how, store, read
        wanted = matches.filter(self._wanted(matches.column("verdict")))
        self._lines, self._segments, self._starts, self._stops = (
            wanted.column(name).to_numpy() for name in ("line", "segment", "byte_start", "byte_end")
        )

    def change(self, fates: Fates, block: TaskBlock, texts: Texts) -> Changed:
        """Change a block's rows that are to be removed, as far as that can be."""
        bad = fates.state[block.rows] == REMOVED
        if not bad.any():
            return unchanged(fates, block)
        places = np.flatnonzero(bad)
        if self._action == "cut":
            return self._cut(fates, block, texts, places)
        return self._truncate(fates, block, texts, places)

    def _of(self, rows: Column) -> tuple[Column, Column]:
        """Return the matches of some rows in order, and for each which of the rows it is in."""
        low = np.searchsorted(self._lines, rows)
        counts = np.searchsorted(self._lines, rows, side="right") - low
        ends = np.cumsum(counts)
        index = np.arange(counts.sum()) + np.repeat(low - (ends - counts), counts)
        return index, np.repeat(np.arange(len(rows)), counts)

    def _wanted(self, verdicts: Any) -> Any:
        return pc.is_in(verdicts, value_set=self._verdicts)

    def _found(self, segments: Segments) -> pa.RecordBatch:
        """Search again; return the matches that must not stay."""
        indexed = self._how.open_index(self._store.root, self._how.index)
        found = search(indexed, self._how.presets, segments)
        return found.filter(self._wanted(found.column("verdict")))

    def _cut(self, fates: Fates, block: TaskBlock, texts: Texts, places: Column) -> Changed:
        index, row = self._of(block.rows[places])
        spans: list[list[Span]] = [[] for _ in places]
        for at, match in zip(row.tolist(), index.tolist(), strict=True):
            spans[at].append((int(self._starts[match]), int(self._stops[match])))
        originals = [bytes(texts.text[place].as_buffer()) for place in places.tolist()]
        cuts = cut_texts(originals, spans, self._rule, self._search_texts)
        counts = np.array([len(cut.pieces) for cut in cuts])
        fates = _told(fates, block.rows[places], counts, "cut", [cut.why for cut in cuts])
        column = self._how.reader.text_column or "text"
        data = _in_pieces(block, fates, column, places[counts > 0], originals, cuts)
        done = [n for n, cut in enumerate(cuts) if cut.pieces]
        numbers: list[int] = []
        changes: list[tuple[Any, ...]] = []
        for n in done:
            size = len(originals[n])
            for start, stop in gaps(size, cuts[n].pieces):
                numbers.append(int(block.rows[places[n]]))
                gone = originals[n][start:stop].decode()
                changes.append(("cut", column, start, stop, size, gone))
        taken = sum(change[3] - change[2] for change in changes)
        added = int(np.maximum(counts - 1, 0).sum())
        return Changed(fates, data, len(done), added, taken, numbers, changes)

    def _search_texts(self, said: list[bytes]) -> Iterator[tuple[int, Span]]:
        count = len(said)
        texts = pa.array(said, pa.large_binary()).cast(STRING)
        roles = np.full(count, TEXT, np.int8)
        found = self._found(Segments(texts, np.arange(count), np.zeros(count, np.int32), roles))
        names = ("line", "byte_start", "byte_end")
        for line, start, stop in zip(*(found.column(n).to_pylist() for n in names), strict=True):
            yield line, (start, stop)

    def _truncate(self, fates: Fates, block: TaskBlock, texts: Texts, places: Column) -> Changed:
        keep, why, lists = self._lengths(block, texts, places)
        short = np.flatnonzero(keep)
        batch = _shortened(block.batch, lists, keep)
        again = self._again(block, batch, short)
        still, short = short[again.leaking], short[~again.leaking]
        keep[still], why[still] = 0, truncating.OUTSIDE
        counts = (keep[places] > 0).astype(np.int64)
        fates = _told(fates, block.rows[places], counts, "truncated", why[places].tolist())
        data = batch.filter(pa.array(fates.written[block.rows] == KEPT))
        sizes = pc.binary_length(texts.text.take(pa.array(short))).to_numpy()
        taken = int((sizes - again.sizes[~again.leaking]).sum())
        changes: list[tuple[int, tuple[Any, ...]]] = []
        for column, rows in lists.items():
            here = rows[keep[rows] > 0]
            ends = _ends(column, block.batch.column(column).take(pa.array(here)), keep[here])
            changes += zip(block.rows[here].tolist(), ends, strict=True)
        changes.sort(key=lambda change: change[0])
        numbers, lines = [n for n, _ in changes], [line for _, line in changes]
        return Changed(fates, data, len(short), 0, taken, numbers, lines)

    def _lengths(
        self, block: TaskBlock, texts: Texts, places: Column
    ) -> tuple[Column, Column, dict[str, Column]]:
        """Return the messages that rows keep, why there are none, and rows by their column."""
        keep = np.zeros(len(block.batch), np.int64)
        why = np.full(len(block.batch), truncating.NO_CONVERSATION, object)
        lists: dict[str, Column] = {}
        for piece in texts.found:
            column = truncating.list_of_messages(piece.format)
            mine = np.flatnonzero(np.isin(piece.places, places))
            if column is None or not len(mine) or not _can_be_cut(block, column):
                continue
            here = piece.places[mine]
            index, row = self._of(block.rows[here])
            rows = piece.rows.take(mine)
            keep[here], outside = truncating.turns_to_keep(rows, row, self._segments[index])
            why[here] = np.where(outside, truncating.OUTSIDE, truncating.NO_EXCHANGE)
            others = lists.get(column, np.zeros(0, np.int64))
            lists[column] = np.concatenate([others, here])
        return keep, why, lists

    def _again(self, block: TaskBlock, batch: pa.RecordBatch, short: Column) -> _Again:
        """Search shortened rows again; joined turns may say what none of them said alone."""
        leaking = np.zeros(len(short), bool)
        if not len(short):
            return _Again(leaking, np.zeros(0, np.int64))
        part = replace(block, batch=batch.take(pa.array(short)), rows=block.rows[short], bad=())
        texts = self._how.reader.texts(part, self._read)
        for segments, places in pieces(self._how, texts):
            leaking[places[self._found(segments).column("line").to_numpy()]] = True
        return _Again(leaking, pc.binary_length(texts.text).to_numpy(zero_copy_only=False))


@dataclass(frozen=True)
class _Again:
    """Shortened rows that still leak, and the bytes of their texts."""

    leaking: Column
    sizes: Column


def _told(
    fates: Fates, rows: Column, counts: Column, word: str, why: Sequence[str | None]
) -> Fates:
    """Return the fates with rows that stay in so many pieces, or go and why."""
    state, copies = fates.state.copy(), fates.pieces
    copies = np.ones(len(state), np.int64) if copies is None else copies.copy()
    kept = rows[counts > 0]
    state[kept], copies[kept] = KEPT, counts[counts > 0]
    stays = np.zeros(len(state), bool)
    stays[kept] = True
    gone = np.zeros(len(state), bool)
    gone[rows[counts == 0]] = True
    reasons = pa.array([w for w, c in zip(why, counts.tolist(), strict=True) if not c], pa.string())
    detail = fates.detail.filter(pa.array(gone))
    said = pc.binary_join_element_wise(detail, reasons, "; ")
    return replace(
        fates,
        state=state,
        pieces=copies,
        reason=pc.if_else(pa.array(stays), word, fates.reason),
        detail=pc.replace_with_mask(fates.detail, pa.array(gone), said),
    )


def _in_pieces(
    block: TaskBlock,
    fates: Fates,
    column: str,
    cut: Column,
    originals: Sequence[bytes],
    cuts: Iterable[Cut],
) -> pa.RecordBatch:
    """Return the kept rows, those at the places `cut` once for each piece of their text."""
    kept = np.flatnonzero(fates.written[block.rows] == KEPT)
    assert fates.pieces is not None
    source = np.repeat(kept, fates.pieces[block.rows[kept]])
    mine = np.isin(source, cut)
    texts = [
        text[start:stop]
        for text, made in zip(originals, cuts, strict=True)
        for start, stop in made.pieces
    ]
    index, masked = pa.array(source), pa.array(source, mask=mine)
    columns = []
    for schema_field, values in zip(block.batch.schema, block.batch.columns, strict=True):
        if schema_field.name != column:
            columns.append(values.take(index))
            continue
        said = pa.array(texts, pa.large_binary()).cast(STRING).cast(schema_field.type)
        # Whole texts are not copied for every piece of them.
        columns.append(pc.replace_with_mask(values.take(masked), pa.array(mine), said))
    return pa.RecordBatch.from_arrays(columns, schema=block.batch.schema)


def _can_be_cut(block: TaskBlock, column: str) -> bool:
    kind = block.batch.schema.field(column).type
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind))


def _shortened(batch: pa.RecordBatch, lists: dict[str, Column], keep: Column) -> pa.RecordBatch:
    """Return the rows with the lists of some of them cut after so many messages."""
    columns = dict(zip(batch.schema.names, batch.columns, strict=True))
    for name, rows in lists.items():
        counts = np.full(len(batch), np.iinfo(np.int64).max)
        counts[rows] = keep[rows]
        columns[name] = first_elements(columns[name], counts)
    return pa.RecordBatch.from_arrays(list(columns.values()), schema=batch.schema)


def _ends(column: str, lists: pa.Array, keep: Column) -> Iterator[tuple[Any, ...]]:
    """Yield what was cut off the ends of conversations."""
    for messages, kept in zip(lists, keep.tolist(), strict=True):
        said = [without_nulls(message) for message in messages.values[kept:].to_pylist()]
        text = json.dumps(said, ensure_ascii=False, default=str)
        yield "truncate", column, kept, len(messages), len(messages), text
