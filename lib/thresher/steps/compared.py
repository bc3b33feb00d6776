"""What is compared of a row: columns of text, or a part of a conversation whatever its format.

One small value travels with every task that reads rows again, so that the attributes, the decision,
the audit, the output and a later check all see the same text. The text of a row depends on the row
and the formats of its file alone: not on which rows stand beside it, nor on columns and fields that
other files gave the schema.

Shapes: R rows of a batch.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field

from thresher.formats.arrays import is_list, without_nulls
from thresher.formats.catalogue import FORMATS
from thresher.formats.reading import UNKNOWN, read_rows
from thresher.formats.rows import Faults
from thresher.formats.texts import Part, row_texts
from thresher.formats.turns import STRING
from thresher.params import Params
from thresher.steps.reading import ReadTask, compared_text

Column = np.ndarray[Any, Any]
# Objects whose keys are the data's own: Arrow knows them as structs with the fields of all rows.
OPEN_OBJECTS = ("arguments", "parameters", "tools")


class Texts(NamedTuple):
    """The compared text of a batch.

    Args:
        text: (R,) strings; null where the row has none.
        faults: (R,) rows that no format of their file can read; their text is null.
    """

    text: pa.Array
    faults: Faults


class Compared(Params):
    """What is compared: columns, or with `on` a part of each row.

    Args:
        columns: Columns of text, joined by newlines.
        on: The part that is compared instead.
        formats: With `on`: by file number, the formats that its rows may have, likeliest first.
    """

    columns: tuple[str, ...] = ()
    on: Part | None = None
    formats: dict[int, tuple[str, ...]] = Field({})

    def wanted(self, read: ReadTask) -> list[str]:
        """List the columns that the text of a task's rows is made of."""
        if self.on is None:
            return list(self.columns)
        files = {split.file for split in read.splits}
        return list(dict.fromkeys(c for f in sorted(files) for c in _known(self.formats.get(f))))

    def long_columns(self, schema: pa.Schema) -> tuple[str, ...]:
        """List the columns of an output that hold long text."""
        if self.on is None:
            return self.columns
        known = {column for names in self.formats.values() for column in _known(names)}
        return tuple(name for name in schema.names if name in known)

    def texts(self, batch: pa.RecordBatch, file: int, path: str) -> pa.Array:
        """Return the compared text of each row; null where there is none.

        Args:
            batch: Rows of one file, with the wanted columns and any others.
            file: Number of the file.
            path: Its path, for messages.

        Raises:
            InputError: A compared column is missing or holds no strings.
        """
        return self.read(batch, file, path).text

    def read(self, batch: pa.RecordBatch, file: int, path: str) -> Texts:
        """Return the compared text and what is wrong with which row; arguments as for `texts`."""
        faults = Faults(len(batch))
        if self.on is None:
            return Texts(compared_text(batch, self.columns, path), faults)
        names = self.formats.get(file, ())
        if not names:
            faults.add(np.ones(len(batch), bool), UNKNOWN)
            return Texts(pa.nulls(len(batch), STRING), faults)
        found = read_rows(_view(batch, names), names, faults)
        texts = [row_texts(piece.rows, self.on).cast(STRING) for piece in found]
        return Texts(_scattered(texts, [piece.places for piece in found], len(batch)), faults)

    def missing(self) -> str:
        """Say what a row lacks whose text is null."""
        return "the compared text is null" if self.on is None else f"the row has no {self.on}"


def rows_as_json(batch: pa.RecordBatch) -> list[bytes]:
    """Return rows as JSON, for the quarantine: a row that no format can read has no text."""
    rows = (without_nulls(row) for row in batch.to_pylist())
    texts = (json.dumps(row, ensure_ascii=False, default=str) for row in rows)
    return [text.encode("utf-8", "replace") for text in texts]


def _known(names: Iterable[str] | None) -> Iterator[str]:
    for name in names or ():
        yield from FORMATS[name].required
        yield from FORMATS[name].optional


def _view(batch: pa.RecordBatch, names: Iterable[str]) -> pa.RecordBatch:
    """Return the columns that the formats know, as they would be if the rows were alone."""
    columns: dict[str, pa.Array] = {}
    for name in _known(names):
        index = batch.schema.get_field_index(name)
        columns[name] = pa.nulls(len(batch)) if index < 0 else _plain(name, batch.column(index))
    return pa.RecordBatch.from_pydict(columns)


def _plain(name: str, array: pa.Array) -> pa.Array:
    """Make a column without values null, write objects with keys of their own as JSON text, and
    drop fields that no row fills."""
    if array.null_count == len(array):
        return pa.nulls(len(array))
    if name in OPEN_OBJECTS and pa.types.is_nested(array.type):
        return pa.array([_as_text(value) for value in array.to_pylist()], STRING)
    return _filled(array)


def _filled(array: pa.Array) -> pa.Array:
    """Drop the fields of objects, at any depth, that no row fills."""
    if pa.types.is_struct(array.type):
        return _filled_struct(array)
    if not is_list(array.type):
        return array
    values = array.flatten()
    filled = _filled(values)
    if filled is values:
        return array
    lengths = pc.fill_null(pc.list_value_length(array), 0).to_numpy(zero_copy_only=False)
    offsets = pa.array(np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64))
    mask = array.is_null() if array.null_count else None
    return pa.LargeListArray.from_arrays(offsets, filled, mask=mask)


def _filled_struct(array: pa.StructArray) -> pa.Array:
    names = [array.type.field(i).name for i in range(array.type.num_fields)]
    found = array.flatten()
    made = [_plain(name, child) for name, child in zip(names, found, strict=True)]
    filled = [i for i, child in enumerate(made) if not pa.types.is_null(child.type)]
    if not filled or (
        len(filled) == len(names) and all(m is f for m, f in zip(made, found, strict=True))
    ):
        return array
    mask = array.is_null() if array.null_count else None
    kept = [made[i] for i in filled]
    return pa.StructArray.from_arrays(kept, [names[i] for i in filled], mask=mask)


def _as_text(value: Any) -> str | None:
    """Write an object as JSON that its row decides alone: the fields and number types of other
    rows, and the order in which they were seen, leave no mark."""
    if value is None:
        return None
    return json.dumps(_canonical(value), ensure_ascii=False, sort_keys=True, default=str)


def _canonical(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {k: _canonical(v) for k, v in value.items() if v is not None}
    if isinstance(value, list):
        return [_canonical(v) for v in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _scattered(texts: list[pa.Array], places: list[Column], count: int) -> pa.Array:
    """Put the texts of several formats where their rows stand; null elsewhere."""
    if not texts:
        return pa.nulls(count, STRING)
    if len(texts) == 1 and len(texts[0]) == count:
        return texts[0]
    order = np.full(count, -1, np.int64)
    order[np.concatenate(places)] = np.arange(sum(len(text) for text in texts))
    return pa.concat_arrays(texts).take(pa.array(order, mask=order < 0))
