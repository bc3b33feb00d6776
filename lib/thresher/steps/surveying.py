"""Survey: what every file holds, found by reading every row of it once.

Every row is tried with every format that its columns allow, so that the formats, the columns of the
output and the way a file is read are known before a row is written. JSON whose columns hold values
of several types is found out here, split by split.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import pyarrow as pa

from thresher.errors import InputError, InternalError
from thresher.formats.detection import Evidence, gather
from thresher.formats.turns import STRING
from thresher.parquet import row_bytes
from thresher.schema import widen
from thresher.stage import Receipt, Task
from thresher.steps.loose_reading import (
    TEXT_FORMATS,
    may_loosen,
    read_loose,
    read_typed,
    renamed,
    wants_loose,
)
from thresher.steps.reading import ReadTask
from thresher.steps.split_log import decode_schema, encode_schema, or_unreadable
from thresher.store import Store


def survey(
    formats: tuple[str, ...] | None,
    names: Mapping[str, str],
    max_doc_bytes: int,
    skip_unreadable: bool,
    store: Store,
    folder: str,
    task: Task,
) -> Receipt:
    """Read one task's rows and say, by split, what they are.

    The receipt's facts hold, by split: rows, unreadable rows, the evidence, the types of all
    columns (`several` names those that have more than one), which of `names` there are (`renamed`),
    and whether it was read record by record. With `skip_unreadable` a file that fails is named in
    the facts: the driver plans again without it.

    Args:
        formats: Formats to try; all if None.
        names: Columns that go by another name.
        max_doc_bytes: Rows with a larger value are bad.
    """
    work = partial(_survey, formats, names, max_doc_bytes, task)
    return or_unreadable(work, task.index, skip_unreadable)


def _survey(
    formats: tuple[str, ...] | None, names: Mapping[str, str], max_doc_bytes: int, task: Task
) -> Receipt:
    read: ReadTask = task.payload
    splits: list[dict[str, Any]] = []
    base = 0
    for position in range(len(read.splits)):
        facts, base = _survey_split(read, position, base, formats, names, max_doc_bytes)
        splits.append(facts)
    return Receipt(
        task=task.index,
        rows_in=base,
        rows_out=base,
        bytes_in=sum(split["bytes"] for split in splits),
        facts={"splits": splits},
    )


def _survey_split(
    read: ReadTask,
    position: int,
    base: int,
    formats: tuple[str, ...] | None,
    names: Mapping[str, str],
    limit: int,
) -> tuple[dict[str, Any], int]:
    for loose in (False, True):
        evidence, types = Evidence(), ColumnTypes()
        there: set[str] = set()
        bad, size, stop = 0, 0, base
        reader = read_loose if loose else read_typed
        can_loosen = not loose and read.files[position].format in TEXT_FORMATS
        try:
            for block in reader(read, position, base, limit):
                if can_loosen and wants_loose(block):
                    break
                bad += len(block.bad)
                stop = block.stop
                there |= {n for piece in block.pieces for n in piece.batch.schema.names}
                for piece in renamed(block, names).pieces:
                    evidence.add(gather(piece.batch, formats))
                    types.add(piece.batch.schema)
                    size += int(row_bytes(piece.batch).sum())
            else:
                facts = {
                    "rows": stop - base,
                    "bad": bad,
                    "bytes": size,
                    "loose": loose,
                    "evidence": evidence.to_json(),
                    "renamed": sorted(there & names.keys()),
                    **types.to_json(),
                }
                return facts, stop
        except InputError as error:
            if loose or not may_loosen(read.files[position], error):
                raise
    raise InternalError("a split was read in neither way")


class ColumnTypes:
    """The types of columns over batches; a column of several types is remembered as such."""

    def __init__(self) -> None:
        self._types: dict[str, pa.DataType] = {}
        self.several: set[str] = set()

    def add(self, schema: pa.Schema) -> None:
        """Take in a batch's columns."""
        for field in schema:
            known = self._types.get(field.name, pa.null())
            try:
                self._types[field.name] = widen(known, field.type, union_fields=True)
            except TypeError:
                self.several.add(field.name)

    def to_json(self) -> dict[str, Any]:
        """Return JSON values: `schema`, and `several`, the columns that have more than one type."""
        return {"schema": encode_schema(self.schema()), "several": sorted(self.several)}

    def schema(self) -> pa.Schema:
        """Return the columns; those of several types as strings."""
        return pa.schema(
            [(n, STRING if n in self.several else kind) for n, kind in self._types.items()]
        )


def agreed_types(parts: list[tuple[str, list[str]]]) -> tuple[pa.Schema, frozenset[str]]:
    """Return the types of all columns over all splits, and the columns that have several.

    Args:
        parts: The survey's `schema` and `several` of each split.
    """
    types = ColumnTypes()
    for text, several in parts:
        types.several |= set(several)
        types.add(decode_schema(text))
    return types.schema(), frozenset(types.several)
