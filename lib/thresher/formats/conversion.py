"""One batch from one or several formats into another: rows out, rows refused, what was lost.

Every row of the batch is kept (as one row or several), removed by rule, or has a fault. The result
depends on the batch's rows one by one, never on their neighbours.

Shapes: R rows in, N rows out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa

from thresher.formats.arrays import dump, without_nulls
from thresher.formats.catalogue import FORMATS
from thresher.formats.detection import CONTENT
from thresher.formats.flat import BOUNDARY
from thresher.formats.format import Format, Writing, Written
from thresher.formats.judging import Order, judge
from thresher.formats.messages import Dropped
from thresher.formats.others import ANSWER_BOUNDARY
from thresher.formats.reading import Found, pass_on, read_rows
from thresher.formats.reshape import Pairs, can_become, reshape
from thresher.formats.rows import CANONICAL, Faults, Kind, Rows
from thresher.formats.templates import Rendering, render_rows
from thresher.formats.turns import STRING, empty_turns
from thresher.schema import cast

Column = np.ndarray[Any, Any]
FORM_LOSSES = frozenset({BOUNDARY, ANSWER_BOUNDARY, "spelling of labels"})
_TEXTS = frozenset(
    {"answer", "answers", "content parts that are not text", "other answers", "reasoning",
     "rejected answer", "system prompt", "text beside tool calls", "tool calls", "tools"}
).union(f"extra column '{name}'" for name in CONTENT)  # fmt: skip
_COLUMNS = ("extra column", "message field", "answer field")


def ordered_losses(losses: Mapping[str, int]) -> dict[str, int]:
    """Return losses by weight, then the most rows first: text of the conversation, what marks it,
    columns and fields that no format knows, and form only."""

    def weight(what: str) -> int:
        if what in FORM_LOSSES:
            return 3
        return 0 if what in _TEXTS else 2 if what.startswith(_COLUMNS) else 1

    return dict(sorted(losses.items(), key=lambda item: (weight(item[0]), -item[1], item[0])))


@dataclass(frozen=True)
class Conversion:
    """How batches become rows of the target.

    Args:
        formats: Names of the formats a file's rows may have, the likeliest first.
        target: Name of the format to write.
        how: What is written of what there is.
        extra: Extra columns to write, with their types.
        as_json: Those of them that have several types in the inputs, and become JSON text.
        order: Whether turns must be in order.
        pairs: Which pairs of ranked answers become preferences.
        rendering: The chat template, where the target is text made of conversations.
    """

    formats: tuple[str, ...]
    target: str
    how: Writing = field(default_factory=Writing)
    extra: pa.Schema = field(default_factory=lambda: pa.schema([]))
    as_json: frozenset[str] = frozenset()
    order: Order = "strict"
    pairs: Pairs = "best-rest"
    rendering: Rendering | None = None

    @property
    def format(self) -> Format:
        """The format to write."""
        return FORMATS[self.target]

    @cached_property
    def schema(self) -> pa.Schema:
        """The columns of the rows out."""
        made = self.write(empty_rows(self.kind))
        fields = [pa.field(name, array.type) for name, array in made.columns.items()]
        return pa.schema([*fields, *self.extra])

    @property
    def kind(self) -> Kind:
        """What rows must become before they are written."""
        return self.format.kind if self.rendering is None else Kind.CHAT

    def write(self, rows: Rows) -> Written:
        """Write rows of the right kind."""
        if self.rendering is not None:
            return render_rows(self.rendering, rows)
        return self.format.write(rows, self.how)


@dataclass(frozen=True)
class Converted:
    """What became of a batch.

    Args:
        batch: N rows.
        source: (N,) the row in that each comes from, ascending.
        removed: (R,) rows left out by rule.
        faults: (R,) rows that could not be converted.
        losses: Rows out that lost something, by what.
        formats: Rows in without a fault, by format.
    """

    batch: pa.RecordBatch
    source: Column
    removed: Column
    faults: Faults
    losses: Counter[str]
    formats: Counter[str]


def convert(batch: pa.RecordBatch, how: Conversion) -> Converted:
    """Convert a batch."""
    faults = Faults(len(batch))
    removed = np.zeros(len(batch), bool)
    losses: Counter[str] = Counter()
    formats: Counter[str] = Counter()
    schema = how.schema
    pieces: list[pa.RecordBatch] = []
    sources: list[Column] = []
    for found in read_rows(batch, how.formats, faults):
        judge(found.rows, found.faults, how.order)
        pass_on(found.faults, found.places, faults)
        mine = found.kept()
        formats[found.format] += len(mine.rows)
        if not can_become(mine.rows.kind, how.kind):
            faults.add(mine.places, f"a {mine.rows.kind} cannot become a {how.kind}")
            continue
        columns, source, gone = _convert(mine, how, schema, faults, losses)
        removed[gone] = True
        pieces.append(columns)
        sources.append(source)
    if not pieces:
        nothing = pa.RecordBatch.from_arrays([pa.nulls(0, f.type) for f in schema], schema=schema)
        return Converted(nothing, np.zeros(0, np.int64), removed, faults, losses, formats)
    source = np.concatenate(sources)
    made = pieces[0] if len(pieces) == 1 else pa.concat_batches(pieces)
    if len(pieces) > 1:
        order = np.argsort(source, kind="stable")
        made, source = made.take(pa.array(order)), source[order]
    return Converted(made, source, removed, faults, losses, formats)


def _convert(
    mine: Found, how: Conversion, schema: pa.Schema, faults: Faults, losses: Counter[str]
) -> tuple[pa.RecordBatch, Column, Column]:
    """Reshape and write; return the rows out, where each comes from, and the places removed."""
    shaped = reshape(mine.rows, how.kind, how.pairs)
    pass_on(shaped.faults, mine.places, faults)
    written = how.write(shaped.rows)
    # A row that becomes several is refused as a whole when one of them is.
    broken = np.zeros(len(mine.rows), bool)
    broken[shaped.source[~written.faults.good]] = True
    pass_on(written.faults, mine.places[shaped.source], faults)
    good = np.flatnonzero(written.faults.good)
    source = shaped.source[good]
    stays = ~broken[source]
    extra = shaped.rows.take(good).extra
    arrays = []
    for target in schema:
        array = written.columns.get(target.name)
        if array is None:
            array = extra.get(target.name, pa.nulls(len(good)))
            if target.name in how.as_json:
                array = as_json(array)
        arrays.append(cast(array, target.type))
    made = pa.RecordBatch.from_arrays(arrays, schema=schema)
    if not stays.all():
        made, source = made.filter(pa.array(stays)), source[stays]
    out = np.zeros(len(shaped.rows), bool)
    out[good[stays]] = True
    _count(written.lost, out, losses)
    whole = np.zeros(len(mine.rows), bool)
    whole[source] = True
    _count(shaped.lost, whole, losses)
    _count(mine.dropped, whole, losses)
    kept = {*schema.names} - {*written.columns}
    for name, array in mine.rows.extra.items():
        if name not in kept and array.null_count < len(array):
            _count({f"extra column '{name}'": np.asarray(array.is_valid())}, whole, losses)
    return made, mine.places[source], mine.places[shaped.removed]


def as_json(array: pa.Array) -> pa.Array:
    """Write every value as JSON, strings too: a column of several types."""
    values = array.to_pylist()
    return pa.array([None if v is None else dump(without_nulls(v)) for v in values], STRING)


def _count(masks: Dropped | Mapping[str, Column], rows: Column, losses: Counter[str]) -> None:
    for what, mask in masks.items():
        if count := int((mask & rows).sum()):
            losses[what] += count


def empty_rows(kind: Kind) -> Rows:
    """Return no rows of a kind, with every list it has."""
    names = {
        Kind.TEXT: (),
        Kind.CHAT: ("messages",),
        Kind.PROMPT: ("messages",),
        Kind.UNPAIRED: ("messages",),
        Kind.PREFERENCE: ("prompt", "chosen", "rejected"),
        Kind.STEPS: ("prompt",),
        Kind.RANKED: ("prompt",),
    }[kind]
    columns = {f.name: pa.nulls(0, f.type) for f in CANONICAL if f.name not in _LISTS}
    if kind is not Kind.CHAT and kind is not Kind.UNPAIRED:
        columns.pop("num_prompt")
    return Rows(kind, 0, {name: empty_turns(0) for name in names}, columns)


_LISTS = ("messages", "prompt", "chosen", "rejected")
