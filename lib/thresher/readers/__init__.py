"""Readers: one split in, blocks of rows out, for every input format.

A row is numbered by its place in the split, bad rows included, so two passes with any columns give
the same numbers. What cannot be read as a row comes back as a `BadRow` with its bytes; what makes
the counting of rows impossible is an `InputError`. Readers hold one batch and one decoded page at a
time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import pyarrow as pa

from thresher.readers.block import BATCH_BYTES, MAX_DOC_BYTES, BadRow, Block, Request

if TYPE_CHECKING:
    from thresher.inputs import InputFile
    from thresher.splits import Split

__all__ = ["BATCH_BYTES", "MAX_DOC_BYTES", "BadRow", "Block", "read_split"]


def read_split(
    file: InputFile,
    split: Split,
    *,
    columns: Sequence[str] | None = None,
    schema: pa.Schema | None = None,
    max_doc_bytes: int = MAX_DOC_BYTES,
    batch_bytes: int = BATCH_BYTES,
    checked: Sequence[str] | None = None,
) -> Iterator[Block]:
    """Read the rows of one split, in order.

    Args:
        file: The pinned file.
        split: Which part of it.
        columns: Columns to return, in this order; all if None.
        schema: What batches are cast to. Without one, each batch has the types that its own rows
            showed.
        max_doc_bytes: A row with a larger value (Parquet) or a larger line (text formats) is bad.
        batch_bytes: Wanted bytes a batch.
        checked: Columns that decide whether a row of a typed format (Parquet, saved by `datasets`)
            is bad: its value is too large or not valid UTF-8. All that are read, if None. A second
            pass that reads more columns names those of the first, so that both find the same bad
            rows. Text formats judge the whole record always.

    Raises:
        InputError: The file is damaged, changed, or a column has two types.
        StorageError: It may not be read.
    """
    wanted = tuple(columns) if columns is not None else None
    judged = tuple(checked) if checked is not None else None
    request = Request(file, split, wanted, schema, max_doc_bytes, batch_bytes, judged)
    if file.format == "parquet":
        from thresher.readers.parquet import read_parquet as read
    elif file.format == "jsonl":
        from thresher.readers.jsonl import read_jsonl as read
    elif file.format == "json":
        from thresher.readers.json_array import read_json_array as read
    elif file.format == "csv":
        from thresher.readers.csv import read_csv as read
    else:
        from thresher.readers.saved import read_saved as read
    yield from read(request)
